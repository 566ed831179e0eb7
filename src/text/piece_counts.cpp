#include "text/piece_counts.h"

#include "text/hash.h"

namespace nuri {

void PieceCounts::add(std::string_view piece, int64_t count) {
  const uint64_t hash = hash_bytes(piece);
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    Slot& slot = slots_[at];
    if (slot.count == 0) {
      slot = {hash, arena_.size(), piece.size(), count};
      arena_.insert(arena_.end(), piece.begin(), piece.end());
      if (2 * ++n_ > slots_.size()) grow();
      return;
    }
    if (slot.hash == hash && view(slot) == piece) {
      slot.count += count;
      return;
    }
  }
}

void PieceCounts::add_all(const PieceCounts& other) {
  other.for_each([&](std::string_view piece, int64_t count) { add(piece, count); });
}

void PieceCounts::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  const size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (!slot.count) continue;
    size_t at = slot.hash & mask;
    while (slots_[at].count) at = (at + 1) & mask;
    slots_[at] = slot;
  }
}

}  // namespace nuri
