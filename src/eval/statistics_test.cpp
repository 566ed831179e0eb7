#include "eval/statistics.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

namespace nuri {
namespace {

TEST(Wilson, KnownValues) {
  // By the written formula in exact arithmetic.
  EXPECT_NEAR(wilson(0.5, 10).low, 0.236593091, 1e-8);
  EXPECT_NEAR(wilson(0.5, 10).high, 0.763406909, 1e-8);
  EXPECT_EQ(wilson(0.0, 20).low, 0);
  EXPECT_NEAR(wilson(0.0, 20).high, 0.161125158, 1e-8);
  EXPECT_NEAR(wilson(1.0, 20).low, 1 - 0.161125158, 1e-8);
  EXPECT_EQ(wilson(1.0, 20).high, 1);
  EXPECT_LT(wilson(0.3, 1000).high - wilson(0.3, 1000).low, 0.06);
}

// R. G. Newcombe, Two-sided confidence intervals for the single proportion (1998), table 1, method 3.
TEST(Wilson, PublishedValues) {
  struct Row {
    double right, n, low, high;
  };
  for (const Row& r : {Row{81, 263, 0.2553, 0.3662}, Row{15, 148, 0.0624, 0.1605}, Row{0, 20, 0.0000, 0.1611},
                       Row{1, 29, 0.0061, 0.1718}}) {
    const Interval i = wilson(r.right / r.n, r.n);
    EXPECT_NEAR(i.low, r.low, 5.1e-5) << r.right << " of " << r.n;
    EXPECT_NEAR(i.high, r.high, 5.1e-5) << r.right << " of " << r.n;
    const Interval mirrored = wilson(1 - r.right / r.n, r.n);
    EXPECT_NEAR(mirrored.low, 1 - i.high, 1e-12);
    EXPECT_NEAR(mirrored.high, 1 - i.low, 1e-12);
  }
}

// Every choice of k of n answers, counted: the share that holds a right one.
TEST(PassAt, IsTheShareOfAllDraws) {
  for (int n = 1; n <= 10; ++n)
    for (int right = 0; right <= n; ++right)
      for (int k = 1; k <= n; ++k) {
        int all = 0, holding = 0;
        for (unsigned chosen = 0; chosen < 1u << n; ++chosen) {
          if (std::popcount(chosen) != k) continue;
          ++all;
          holding += (chosen & ((1u << right) - 1)) != 0;  // the first ones are right
        }
        EXPECT_NEAR(pass_at(k, n, right), static_cast<double>(holding) / all, 1e-12) << k << " " << n << " " << right;
      }
}

// The estimate from n draws is right on average: the mean over all outcomes of n draws is 1 - (1 - p)^k.
TEST(PassAt, IsWithoutBias) {
  const int n = 8;
  for (const double p : {0.0, 0.1, 0.5, 0.9, 1.0})
    for (int k = 1; k <= n; ++k) {
      double mean = 0;
      for (unsigned outcome = 0; outcome < 1u << n; ++outcome) {
        const int right = std::popcount(outcome);
        mean += std::pow(p, right) * std::pow(1 - p, n - right) * pass_at(k, n, right);
      }
      EXPECT_NEAR(mean, 1 - std::pow(1 - p, k), 1e-12) << k << " " << p;
    }
}

TEST(PassAt, CountsDraws) {
  EXPECT_EQ(pass_at(1, 1, 0), 0);
  EXPECT_EQ(pass_at(1, 1, 1), 1);
  EXPECT_NEAR(pass_at(1, 8, 3), 3.0 / 8, 1e-15);
  EXPECT_NEAR(pass_at(2, 4, 1), 0.5, 1e-15);           // 3 of 6 pairs hold it
  EXPECT_NEAR(pass_at(3, 5, 2), 1 - 1.0 / 10, 1e-15);  // one triple of ten misses both
  EXPECT_EQ(pass_at(4, 5, 2), 1);
  EXPECT_NEAR(pass_at(64, 128, 1), 0.5, 1e-12);
}

TEST(ComparePaired, SignTest) {
  const std::vector<double> a = {1, 1, 1, 1, 1, 0, 0.5, 0}, b = {0, 0, 0, 0, 0, 1, 0.5, 0};
  const Paired p = compare_paired(a, b);
  EXPECT_EQ(p.n, 8);
  EXPECT_EQ(p.a_better, 5);
  EXPECT_EQ(p.b_better, 1);
  EXPECT_NEAR(p.mean_difference, 0.5, 1e-15);
  EXPECT_NEAR(p.p, 2 * (1 + 6) / 64.0, 1e-12);
  const std::vector<double> none = {1, 0};
  EXPECT_EQ(compare_paired(none, none).p, 1);
  EXPECT_EQ(compare_paired(a, b).p, compare_paired(b, a).p);
  const std::vector<double> up = {1, 0}, down = {0, 1};
  EXPECT_EQ(compare_paired(up, down).p, 1);  // one each
  // 600 to 400: the exact two-sided probability of a fair coin, by lgamma.
  std::vector<double> x(1000), y(1000);
  for (size_t i = 0; i < 1000; ++i) (i < 600 ? x : y)[i] = 1;
  double exact = 0;
  for (int i = 0; i <= 400; ++i)
    exact += 2 * std::exp(std::lgamma(1001.0) - std::lgamma(i + 1.0) - std::lgamma(1001.0 - i) - 1000 * std::log(2.0));
  EXPECT_NEAR(compare_paired(x, y).p / exact, 1, 1e-9);
}

TEST(Spread, OfTheSample) {
  const Spread s = spread_of(std::vector<double>{2, 4, 4, 4, 5, 5, 7, 9});
  EXPECT_DOUBLE_EQ(s.mean, 5);
  EXPECT_NEAR(s.deviation, std::sqrt(32.0 / 7), 1e-12);
  EXPECT_EQ(spread_of(std::vector<double>{3}).deviation, 0);
}

}  // namespace
}  // namespace nuri
