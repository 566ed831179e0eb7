#include "data/seen_hashes.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/test_support.h"

namespace nuri::data {
namespace {

/// Random keys of which every third or so came before, against a set of the standard library; many runs and merges of
/// two levels. `narrow` keeps hashes that agree in most bits, as a corpus made by an enemy would have them.
template <class Key, class Make>
void compare(uint64_t memory_bytes, int n, Make make, size_t least_runs) {
  const test::TempDir dir;
  SeenHashes<Key> seen({dir.path(), memory_bytes});
  std::set<std::pair<uint64_t, uint64_t>> reference;
  std::vector<std::pair<uint64_t, uint64_t>> past;
  std::mt19937_64 random(5);
  for (int i = 0; i < n; ++i) {
    const std::pair<uint64_t, uint64_t> words =
        i > 0 && random() % 3 == 0 ? past[random() % past.size()] : std::pair{make(random()), make(random())};
    past.push_back(words);
    if constexpr (std::is_same_v<Key, uint64_t>) {
      ASSERT_EQ(seen.insert(words.first), reference.insert({words.first, 0}).second) << i;
    } else {
      ASSERT_EQ(seen.insert({words.first, words.second}), reference.insert(words).second) << i;
    }
  }
  EXPECT_EQ(seen.size(), reference.size());
  EXPECT_GE(seen.n_runs(), least_runs);
  EXPECT_LT(seen.n_runs(), 30u);  // merged
  EXPECT_TRUE(fs::is_empty(dir.path()));
}

TEST(SeenHashes, AnswersAsASetInMemoryDoes) {
  const auto any = [](uint64_t word) { return word; };
  compare<uint64_t>(uint64_t(48) << 20, 50'000, any, 0);  // all in memory
  compare<uint64_t>(20'000, 50'000, any, 3);              // blocks of 512 keys, runs that end inside one
  compare<Hash128>(30'000, 50'000, any, 3);
  compare<uint64_t>(1, 3'000, any, 3);  // the least memory: a filter of one line, all of it set
}

TEST(SeenHashes, HashesThatAgreeInMostBits) {
  const auto narrow = [](uint64_t word) { return word & 0xFFF0000000000000u; };
  compare<uint64_t>(3'000, 20'000, narrow, 3);
  compare<Hash128>(
      3'000, 20'000, [](uint64_t word) { return word % 200; }, 3);  // the zero hash among them
}

}  // namespace
}  // namespace nuri::data
