// How often each piece occurs: a table from byte strings to counts, with the strings in one arena.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace nuri {

class PieceCounts {
 public:
  PieceCounts() : slots_(1024) {}

  void add(std::string_view piece, int64_t count = 1);
  /// Adds all of `other`.
  void add_all(const PieceCounts& other);
  size_t size() const { return n_; }

  /// Calls f(piece, count) for each piece, in an order that depends on the history of the table.
  template <class F>
  void for_each(F&& f) const {
    for (const Slot& slot : slots_)
      if (slot.count) f(view(slot), slot.count);
  }

 private:
  struct Slot {
    uint64_t hash = 0;
    uint64_t begin = 0;  // in arena_
    uint64_t length = 0;
    int64_t count = 0;  // 0: empty
  };
  std::string_view view(const Slot& slot) const { return {arena_.data() + slot.begin, slot.length}; }
  void grow();

  std::vector<Slot> slots_;
  std::vector<char> arena_;
  size_t n_ = 0;
};

}  // namespace nuri
