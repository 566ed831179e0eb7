// Merging of one piece: from single bytes, the pair with the lowest merge rank first (ties: leftmost), until none is
// left.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace nuri {

/// The longest piece that is merged: what takes some 30 bytes of working memory for each of its own is kept from taking
/// it for something that is no text.
inline constexpr size_t kMaxPieceBytes = size_t(4) << 20;

/// A longer piece; the only error of encoding that is the text's and not the vocabulary's, bytes that are no UTF-8
/// apart.
class PieceTooLong : public Error {
 public:
  explicit PieceTooLong(size_t bytes);
};

struct Merge {
  int32_t left, right, result;  // ids; the rank is the place in the list
};

class BpeScratch;

class Bpe {
 public:
  Bpe() = default;
  /// byte_ids [256]: the id of each byte or -1. Of a pair that occurs twice the first counts.
  Bpe(const int32_t* byte_ids, const std::vector<Merge>& merges);

  /// Appends the ids of one piece. Errors: a byte that no token stands for, PieceTooLong.
  void encode(std::string_view piece, BpeScratch& scratch, std::vector<int32_t>& out) const;

 private:
  struct Slot {
    uint64_t pair;
    uint32_t rank;
    int32_t result;
  };
  static constexpr uint64_t kNoPair = ~uint64_t(0);
  static constexpr uint32_t kNoRank = ~uint32_t(0);

  static uint64_t key(int32_t left, int32_t right) {
    return (uint64_t(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
  }
  const Slot* find(int32_t left, int32_t right) const;
  const Slot* find_bytes(char left, char right) const;
  void merge_short(std::string_view piece, BpeScratch& scratch, std::vector<int32_t>& out) const;
  void merge_long(std::string_view piece, BpeScratch& scratch, std::vector<int32_t>& out) const;

  int32_t byte_ids_[256] = {};
  std::vector<Slot> slots_;  // open addressing, at most half full
  uint64_t mask_ = 0;
  // Most look-ups find nothing: these two small tables answer most of them without touching `slots_`.
  std::vector<int32_t> byte_pairs_;  // [256 * 256]: slot of the merge of two bytes, or -1
  std::vector<uint64_t> filter_;     // one bit for each hash of a pair; about 1/16 are set
  uint64_t filter_mask_ = 0;
};

/// Working memory and a cache from pieces to ids, for one thread at a time. Direct mapped: 2^16 entries of 64 bytes; a
/// newer piece replaces an older one, so memory is fixed.
class BpeScratch {
 public:
  BpeScratch() : cache_(kEntries) {}

 private:
  friend class Bpe;
  static constexpr size_t kEntries = size_t(1) << 16;
  static constexpr size_t kMaxKey = 31, kMaxIds = 7;
  struct alignas(64) Entry {
    uint64_t key[4] = {};  // 31 bytes, zero padded, then the length in the last byte; length 0: empty
    int32_t ids[kMaxIds] = {};
    int32_t n_ids = 0;
  };
  struct Pending {  // of the heap
    uint32_t rank;
    int32_t at;
    int32_t left, right;  // ids when it was pushed
  };
  struct Node {
    int32_t id, previous, next;
  };
  std::vector<Entry> cache_;
  std::vector<Node> nodes_;
  std::vector<Pending> heap_;
};

}  // namespace nuri
