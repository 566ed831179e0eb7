// Shares with their uncertainty, and whether two models differ on the same questions.
#pragma once

#include <cstdint>
#include <span>

namespace nuri {

struct Interval {
  double low = 0, high = 0;
};

/// Wilson's interval of a share of n trials at 95 % (z = 1.95996): also right near 0 and 1. n >= 1.
Interval wilson(double share, double n);

/// Probability that at least one of k answers drawn from n, of which `right` are right, is right (Chen et al. 2021,
/// section 2.1): 1 - C(n - right, k) / C(n, k). 1 <= k <= n.
double pass_at(int64_t k, int64_t n, int64_t right);

/// Mean and standard deviation (of the sample: n - 1) of at least one value; 0 of one.
struct Spread {
  double mean = 0, deviation = 0;
};
Spread spread_of(std::span<const double> values);

/// Of pairs (a_i, b_i): how many are larger in a, how many in b, and the two-sided probability of so uneven a split, or
/// a more uneven one, if neither were better (exact sign test; McNemar's where the values are 0 and 1). 1 where all are
/// equal.
struct Paired {
  int64_t n = 0, a_better = 0, b_better = 0;
  double mean_difference = 0;  ///< of a - b
  double p = 1;
};
Paired compare_paired(std::span<const double> a, std::span<const double> b);

}  // namespace nuri
