#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "text/hash.h"

namespace nuri {
namespace {

constexpr size_t kKeptScratch = size_t(64) << 10;  // bytes of a piece up to which its working memory is kept
constexpr size_t kShort = 48;                      // bytes; above, the heap is faster than scanning all pairs

}  // namespace

PieceTooLong::PieceTooLong(size_t bytes)
    : Error(
          fmt::format("a word of {} bytes without a boundary; at most {} are allowed: put spaces or line ends into it",
                      bytes, kMaxPieceBytes)) {}

Bpe::Bpe(const int32_t* byte_ids, const std::vector<Merge>& merges) {
  std::copy(byte_ids, byte_ids + 256, byte_ids_);
  const size_t size = std::bit_ceil(std::max<size_t>(2 * merges.size(), 64));
  slots_.assign(size, Slot{kNoPair, kNoRank, -1});
  mask_ = size - 1;
  filter_.assign(size / 8, 0);
  filter_mask_ = size * 8 - 1;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const uint64_t pair = key(merges[rank].left, merges[rank].right), hash = hash_mix(pair, pair);
    uint64_t at = hash & mask_;
    while (slots_[at].pair != kNoPair && slots_[at].pair != pair) at = (at + 1) & mask_;
    if (slots_[at].pair == kNoPair) slots_[at] = {pair, static_cast<uint32_t>(rank), merges[rank].result};
    const uint64_t bit = (hash >> 24) & filter_mask_;
    filter_[bit / 64] |= uint64_t(1) << (bit % 64);
  }
  byte_pairs_.assign(65536, -1);
  for (size_t pair = 0; pair < 65536; ++pair) {
    const int32_t left = byte_ids_[pair >> 8], right = byte_ids_[pair & 255];
    const Slot* slot = left < 0 || right < 0 ? nullptr : find(left, right);
    if (slot) byte_pairs_[pair] = static_cast<int32_t>(slot - slots_.data());
  }
}

const Bpe::Slot* Bpe::find(int32_t left, int32_t right) const {
  const uint64_t pair = key(left, right), hash = hash_mix(pair, pair);
  const uint64_t bit = (hash >> 24) & filter_mask_;
  if (!((filter_[bit / 64] >> (bit % 64)) & 1)) return nullptr;
  for (uint64_t at = hash & mask_;; at = (at + 1) & mask_) {
    if (slots_[at].pair == pair) return &slots_[at];
    if (slots_[at].pair == kNoPair) return nullptr;
  }
}

const Bpe::Slot* Bpe::find_bytes(char left, char right) const {
  const int32_t slot = byte_pairs_[size_t(static_cast<uint8_t>(left)) << 8 | static_cast<uint8_t>(right)];
  return slot < 0 ? nullptr : &slots_[static_cast<size_t>(slot)];
}

void Bpe::encode(std::string_view piece, BpeScratch& scratch, std::vector<int32_t>& out) const {
  if (piece.size() > BpeScratch::kMaxKey) {
    return piece.size() <= kShort ? merge_short(piece, scratch, out) : merge_long(piece, scratch, out);
  }
  uint64_t k[4] = {};
  std::memcpy(k, piece.data(), piece.size());
  k[3] |= uint64_t(piece.size()) << 56;
  const uint64_t hash = hash_mix(hash_mix(k[0], k[1]) ^ k[2], k[3]);
  BpeScratch::Entry& entry = scratch.cache_[hash & (BpeScratch::kEntries - 1)];
  if (((entry.key[0] ^ k[0]) | (entry.key[1] ^ k[1]) | (entry.key[2] ^ k[2]) | (entry.key[3] ^ k[3])) == 0) {
    out.insert(out.end(), entry.ids, entry.ids + entry.n_ids);
    return;
  }
  const size_t before = out.size();
  merge_short(piece, scratch, out);
  const size_t n = out.size() - before;
  if (n > BpeScratch::kMaxIds) return;
  std::memcpy(entry.key, k, sizeof k);
  std::copy(out.begin() + static_cast<ptrdiff_t>(before), out.end(), entry.ids);
  entry.n_ids = static_cast<int32_t>(n);
}

void Bpe::merge_short(std::string_view piece, BpeScratch&, std::vector<int32_t>& out) const {
  int32_t ids[kShort];
  const Slot* pairs[kShort];  // pairs[i]: the merge of ids[i] and ids[i + 1]
  size_t n = piece.size();
  for (size_t i = 0; i < n; ++i) {
    ids[i] = byte_ids_[static_cast<uint8_t>(piece[i])];
    NURI_CHECK(ids[i] >= 0, "the vocabulary has no token for byte 0x{:02X}; a byte-level vocabulary needs all 256",
               static_cast<uint8_t>(piece[i]));
  }
  for (size_t i = 0; i + 1 < n; ++i) pairs[i] = find_bytes(piece[i], piece[i + 1]);
  for (;;) {
    uint32_t best = kNoRank;
    size_t at = 0;
    for (size_t i = 0; i + 1 < n; ++i) {
      if (pairs[i] && pairs[i]->rank < best) best = pairs[i]->rank, at = i;
    }
    if (best == kNoRank) break;
    ids[at] = pairs[at]->result;
    --n;
    for (size_t i = at + 1; i < n; ++i) {
      ids[i] = ids[i + 1];
      pairs[i] = pairs[i + 1];
    }
    if (at + 1 < n) pairs[at] = find(ids[at], ids[at + 1]);
    if (at > 0) pairs[at - 1] = find(ids[at - 1], ids[at]);
  }
  out.insert(out.end(), ids, ids + n);
}

// A linked list of tokens and a heap of pairs: n log n for a piece of n bytes. An entry whose tokens have changed since
// it was pushed is skipped when it comes up.
void Bpe::merge_long(std::string_view piece, BpeScratch& scratch, std::vector<int32_t>& out) const {
  if (piece.size() > kMaxPieceBytes) throw PieceTooLong(piece.size());
  auto& nodes = scratch.nodes_;
  auto& heap = scratch.heap_;
  nodes.clear();
  heap.clear();
  const auto n = static_cast<int32_t>(piece.size());
  nodes.reserve(piece.size());
  for (int32_t i = 0; i < n; ++i) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(piece[static_cast<size_t>(i)])];
    NURI_CHECK(id >= 0, "the vocabulary has no token for byte 0x{:02X}; a byte-level vocabulary needs all 256",
               static_cast<uint8_t>(piece[static_cast<size_t>(i)]));
    nodes.push_back({id, i - 1, i + 1 < n ? i + 1 : -1});
  }
  const auto later = [](const BpeScratch::Pending& a, const BpeScratch::Pending& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
  };
  const auto consider = [&](int32_t at) {
    const BpeScratch::Node& node = nodes[static_cast<size_t>(at)];
    if (node.next < 0) return;
    const int32_t right = nodes[static_cast<size_t>(node.next)].id;
    if (const Slot* slot = find(node.id, right)) {
      heap.push_back({slot->rank, at, node.id, right});
      std::push_heap(heap.begin(), heap.end(), later);
    }
  };
  for (int32_t i = 0; i + 1 < n; ++i) consider(i);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const BpeScratch::Pending top = heap.back();
    heap.pop_back();
    BpeScratch::Node& node = nodes[static_cast<size_t>(top.at)];
    if (node.id != top.left || node.next < 0 || nodes[static_cast<size_t>(node.next)].id != top.right) continue;
    BpeScratch::Node& gone = nodes[static_cast<size_t>(node.next)];
    node.id = find(top.left, top.right)->result;
    node.next = gone.next;
    gone.id = -1;
    if (node.next >= 0) nodes[static_cast<size_t>(node.next)].previous = top.at;
    consider(top.at);
    if (node.previous >= 0) consider(node.previous);
  }
  for (int32_t i = 0; i >= 0; i = nodes[static_cast<size_t>(i)].next) out.push_back(nodes[static_cast<size_t>(i)].id);
  if (piece.size() > kKeptScratch) {
    nodes = {};
    heap = {};
  }
}

}  // namespace nuri
