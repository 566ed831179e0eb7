#include "text/bpe.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <random>

namespace nuri {
namespace {

/// The definition: scan for the lowest rank, leftmost; merge; again.
std::vector<int32_t> merge_slowly(std::string_view piece, const std::vector<Merge>& merges) {
  std::map<std::pair<int32_t, int32_t>, std::pair<size_t, int32_t>> ranks;
  for (size_t rank = 0; rank < merges.size(); ++rank)
    ranks.insert({{merges[rank].left, merges[rank].right}, {rank, merges[rank].result}});
  std::vector<int32_t> ids;
  for (const char c : piece) ids.push_back(static_cast<uint8_t>(c));
  for (;;) {
    size_t best = SIZE_MAX, at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found = ranks.find({ids[i], ids[i + 1]});
      if (found != ranks.end() && found->second.first < best) best = found->second.first, at = i;
    }
    if (best == SIZE_MAX) return ids;
    ids[at] = ranks.at({ids[at], ids[at + 1]}).second;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(at) + 1);
  }
}

struct ByteIds {
  int32_t ids[256];
  ByteIds() {
    for (int i = 0; i < 256; ++i) ids[i] = i;
  }
};

TEST(Bpe, EqualsTheDefinition) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<Merge> merges;  // over an alphabet of three, so that chains and overlaps abound
    std::map<std::pair<int32_t, int32_t>, bool> seen;
    for (int32_t next = 256; next < 276; ++next) {
      const auto pick = [&] {
        const auto n = static_cast<int32_t>(random() % static_cast<uint64_t>(3 + next - 256));
        return n < 3 ? 'a' + n : 253 + n;
      };
      const int32_t left = pick(), right = pick();
      if (!seen.emplace(std::pair(left, right), true).second) continue;
      merges.push_back({left, right, next});
    }
    const Bpe bpe(ByteIds().ids, merges);
    BpeScratch scratch;
    for (const size_t length : {1u, 2u, 5u, 30u, 31u, 32u, 47u, 48u, 49u, 200u}) {
      std::string piece;
      for (size_t i = 0; i < length; ++i) piece += static_cast<char>('a' + random() % 3);
      std::vector<int32_t> first, again;
      bpe.encode(piece, scratch, first);
      bpe.encode(piece, scratch, again);  // from the cache
      EXPECT_EQ(first, merge_slowly(piece, merges)) << piece;
      EXPECT_EQ(again, first) << piece;
    }
  }
}

TEST(Bpe, ALongPieceTakesNoQuadraticTime) {
  const std::vector<Merge> merges = {{'a', 'a', 256}, {256, 256, 257}, {257, 257, 258}};
  const Bpe bpe(ByteIds().ids, merges);
  BpeScratch scratch;
  std::vector<int32_t> ids;
  bpe.encode(std::string(2'000'003, 'a'), scratch, ids);  // quadratic: hours
  EXPECT_EQ(ids.size(), 250'000u + 2u);
  EXPECT_EQ(ids.front(), 258);
  EXPECT_EQ(ids[ids.size() - 2], 256);
  EXPECT_EQ(ids.back(), 'a');
}

}  // namespace
}  // namespace nuri
