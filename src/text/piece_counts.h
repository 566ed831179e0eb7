// How often each piece occurs: a table from byte strings to counts, with strings and counts in one arena. About 35
// bytes and the length for each piece.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace nuri {

class PieceCounts {
 public:
  PieceCounts() : slots_(1024) {}

  /// Errors: a piece of 4 GiB or more.
  void add(std::string_view piece, int64_t count = 1);
  /// Adds all of `other`.
  void add_all(const PieceCounts& other);
  size_t size() const { return n_; }
  /// Memory taken, without what a growing table takes for a moment.
  uint64_t bytes() const { return slots_.size() * sizeof(Slot) + chunks_.size() * kChunkBytes; }

  /// Calls f(piece, count) for each piece, in an order that depends on the history of the table.
  template <class F>
  void for_each(F&& f) const {
    for (const Slot& slot : slots_)
      if (slot.place != kEmpty) f(view(slot), count_of(slot));
  }

 private:
  // An entry of the arena: int64 count, uint32 length, the bytes; it begins at a multiple of kUnit.
  static constexpr size_t kUnit = 8, kChunkBytes = size_t(1) << 20, kHead = 12;
  static constexpr uint32_t kEmpty = ~uint32_t(0);
  struct Slot {
    uint32_t hash = 0;
    uint32_t place = kEmpty;  // of the entry, in units
  };
  char* entry(const Slot& slot) const {
    constexpr size_t kUnits = kChunkBytes / kUnit;
    return chunks_[slot.place / kUnits] + slot.place % kUnits * kUnit;
  }
  std::string_view view(const Slot& slot) const {
    const char* at = entry(slot);
    uint32_t length;
    std::memcpy(&length, at + 8, sizeof length);
    return {at + kHead, length};
  }
  int64_t count_of(const Slot& slot) const {
    int64_t count;
    std::memcpy(&count, entry(slot), sizeof count);
    return count;
  }
  uint32_t append(std::string_view piece, int64_t count);
  void grow();

  std::vector<Slot> slots_;  // open addressing, at most three quarters full
  // Chunk i of the arena; an entry longer than a chunk takes several, one after the other in one allocation.
  std::vector<char*> chunks_;
  std::vector<std::unique_ptr<char[]>> owned_;
  size_t used_ = 0;  // bytes of the arena
  size_t n_ = 0;
};

}  // namespace nuri
