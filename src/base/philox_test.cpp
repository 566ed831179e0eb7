#include "base/philox.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/threads.h"

namespace nuri {
namespace {

using Words = std::array<uint32_t, 4>;

TEST(Philox, GivesThePublishedWords) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kAll = 0xffffffff;
  EXPECT_EQ(philox({kAll, kAll, kAll, kAll}, {kAll, kAll}), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, StreamsOfDifferentPurposeSeedAndStreamNeverMeet) {
  std::set<Words> seen;
  int draws = 0;
  for (const uint64_t seed : {0ull, 1ull, 1ull << 32})
    for (const Purpose purpose : {Purpose::test, Purpose::init, Purpose::data_order, Purpose::sampling})
      for (const uint64_t stream : {0ull, 1ull, 1ull << 40})
        for (const uint64_t index : {0ull, 1ull, 2ull, 1ull << 32, (1ull << 56) - 1}) {
          seen.insert(Philox(seed, purpose, stream).words(index));
          ++draws;
        }
  EXPECT_EQ(seen.size(), static_cast<size_t>(draws));
}

TEST(Philox, UniformsAndIntegersStayInTheirRangesAndAreEven) {
  const Philox random(42, Purpose::test);
  constexpr uint64_t kN = 200'000;
  double sum = 0, sum_double = 0;
  int count[7] = {};
  for (uint64_t i = 0; i < kN; ++i) {
    const float u = random.uniform(i);
    const double d = random.uniform_double(i);
    ASSERT_TRUE(u >= 0 && u < 1 && d >= 0 && d < 1);
    sum += static_cast<double>(u), sum_double += d;
    const uint64_t n = random.below(7, i);
    ASSERT_LT(n, 7u);
    ++count[n];
  }
  EXPECT_NEAR(sum / kN, 0.5, 0.003);
  EXPECT_NEAR(sum_double / kN, 0.5, 0.003);
  for (const int c : count) EXPECT_NEAR(c, kN / 7.0, 800);
  EXPECT_EQ(random.below(1, 5), 0u);
  EXPECT_EQ(random.bits64(9), uint64_t{random.words(9)[1]} << 32 | random.words(9)[0]);
}

TEST(Philox, NormalsFollowBoxMullerAndTheirMoments) {
  FlushSubnormals flush;
  const Philox random(42, Purpose::test, 3);
  constexpr uint64_t kN = 200'000;
  double m1 = 0, m2 = 0, m4 = 0;
  for (uint64_t i = 0; i < kN; ++i) {
    const auto w = random.words(i);
    const long double u = static_cast<long double>(((uint64_t{w[1]} << 32 | w[0]) >> 11) + 1) / 0x1p53L;
    const long double v = static_cast<long double>((uint64_t{w[3]} << 32 | w[2]) >> 11) / 0x1p53L;
    const long double want = std::sqrt(-2 * std::log(u)) * std::cos(2 * M_PIl * v);
    const float x = random.normal(i);
    ASSERT_NEAR(static_cast<double>(x), static_cast<double>(want), 4e-7 * static_cast<double>(std::fabs(want)) + 1e-14);
    const double d = static_cast<double>(x);
    m1 += d, m2 += d * d, m4 += d * d * d * d;
  }
  EXPECT_NEAR(m1 / kN, 0, 0.01);
  EXPECT_NEAR(m2 / kN, 1, 0.015);
  EXPECT_NEAR(m4 / kN, 3, 0.1);
}

}  // namespace
}  // namespace nuri
