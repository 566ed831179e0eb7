#include "text/piece_counts.h"

#include "base/error.h"
#include "text/hash.h"

namespace nuri {

void PieceCounts::add(std::string_view piece, int64_t count) {
  const auto hash = static_cast<uint32_t>(hash_bytes(piece) >> 32);
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    Slot& slot = slots_[at];
    if (slot.place == kEmpty) {
      slot = {hash, append(piece, count)};
      if (4 * ++n_ > 3 * slots_.size()) grow();
      return;
    }
    if (slot.hash == hash && view(slot) == piece) {
      const int64_t sum = count_of(slot) + count;
      std::memcpy(entry(slot), &sum, sizeof sum);
      return;
    }
  }
}

uint32_t PieceCounts::append(std::string_view piece, int64_t count) {
  NURI_CHECK(piece.size() < (uint64_t(1) << 32), "a piece of {} bytes without a boundary; split the text",
             piece.size());
  const size_t bytes = (kHead + piece.size() + kUnit - 1) / kUnit * kUnit;
  const size_t left = chunks_.size() * kChunkBytes - used_;
  if (bytes > left) {
    used_ += left;
    const size_t n = (bytes + kChunkBytes - 1) / kChunkBytes;
    owned_.push_back(std::unique_ptr<char[]>(new char[n * kChunkBytes]));  // without the zeros of make_unique
    for (size_t i = 0; i < n; ++i) chunks_.push_back(owned_.back().get() + i * kChunkBytes);
  }
  const size_t place = used_ / kUnit;
  NURI_CHECK(place < kEmpty && chunks_.size() * (kChunkBytes / kUnit) <= kEmpty,
             "the different pieces take 32 GiB; train on a sample of the text");
  used_ += bytes;
  const Slot slot{0, static_cast<uint32_t>(place)};
  const auto length = static_cast<uint32_t>(piece.size());
  char* at = entry(slot);
  std::memcpy(at, &count, sizeof count);
  std::memcpy(at + 8, &length, sizeof length);
  std::memcpy(at + kHead, piece.data(), piece.size());
  return slot.place;
}

void PieceCounts::add_all(const PieceCounts& other) {
  other.for_each([&](std::string_view piece, int64_t count) { add(piece, count); });
}

void PieceCounts::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  const size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.place == kEmpty) continue;
    size_t at = slot.hash & mask;
    while (slots_[at].place != kEmpty) at = (at + 1) & mask;
    slots_[at] = slot;
  }
}

}  // namespace nuri
