#include "eval/statistics.h"

#include <algorithm>

#include "base/error.h"
#include "base/x1.h"

namespace nuri {

Interval wilson(double share, double n) {
  NURI_ASSERT(n >= 1 && share >= 0 && share <= 1);
  constexpr double z = 1.959963984540054;
  const double shrink = 1 / (1 + z * z / n), middle = shrink * (share + z * z / (2 * n));
  const double half = shrink * z * x1::sqrt(share * (1 - share) / n + z * z / (4 * n * n));
  // Exactly 0 and 1 at the ends, where the two terms are equal but for rounding.
  return {share > 0 ? std::max(0.0, middle - half) : 0.0, share < 1 ? std::min(1.0, middle + half) : 1.0};
}

double pass_at(int64_t k, int64_t n, int64_t right) {
  NURI_ASSERT(1 <= k && k <= n && 0 <= right && right <= n);
  if (n - right < k) return 1;
  double none = 1;  // C(n - right, k) / C(n, k), factor by factor
  for (int64_t i = 0; i < k; ++i) none *= static_cast<double>(n - right - i) / static_cast<double>(n - i);
  return 1 - none;
}

Spread spread_of(std::span<const double> values) {
  NURI_ASSERT(!values.empty());
  const auto n = static_cast<double>(values.size());
  Spread out;
  for (const double v : values) out.mean += v / n;
  double squares = 0;
  for (const double v : values) squares += (v - out.mean) * (v - out.mean);
  if (n > 1) out.deviation = x1::sqrt(squares / (n - 1));
  return out;
}

Paired compare_paired(std::span<const double> a, std::span<const double> b) {
  NURI_ASSERT(a.size() == b.size());
  Paired out{.n = static_cast<int64_t>(a.size())};
  for (size_t i = 0; i < a.size(); ++i) {
    out.a_better += a[i] > b[i];
    out.b_better += b[i] > a[i];
    out.mean_difference += (a[i] - b[i]) / static_cast<double>(a.size());
  }
  // 2 sum_{i <= least} C(m, i) / 2^m, terms from the largest down by their ratios; log of the largest, as 2^-m is tiny.
  const int64_t m = out.a_better + out.b_better, least = std::min(out.a_better, out.b_better);
  if (m == 0) return out;
  double log_term = -static_cast<double>(m) * x1::log(2.0);
  for (int64_t i = 1; i <= least; ++i)
    log_term += x1::log(static_cast<double>(m - i + 1)) - x1::log(static_cast<double>(i));
  double term = 1, sum = 0;
  for (int64_t i = least; i >= 0; --i) {
    sum += term;
    term *= static_cast<double>(i) / static_cast<double>(m - i + 1);
  }
  out.p = std::min(1.0, 2 * sum * x1::exp(log_term));
  return out;
}

}  // namespace nuri
