#include "rl/statistics.h"

#include <algorithm>

#include "base/x1.h"

namespace nuri::rl {

bool all_equal(std::span<const double> rewards) {
  return std::all_of(rewards.begin(), rewards.end(), [&](double r) { return r == rewards[0]; });
}

std::vector<double> centred(std::span<const double> rewards) {
  std::vector<double> out(rewards.begin(), rewards.end());
  double mean = 0;
  for (const double r : rewards) mean += r / static_cast<double>(rewards.size());
  for (double& r : out) r -= mean;
  if (all_equal(rewards)) std::fill(out.begin(), out.end(), 0.0);  // what rounding left of the mean is no advantage
  return out;
}

std::vector<double> standardised(std::span<const double> rewards) {
  constexpr double kLeast = 1e-6;
  std::vector<double> out = centred(rewards);
  double variance = 0;
  for (const double a : out) variance += a * a / static_cast<double>(out.size());
  const double unit = 1 / (x1::sqrt(variance) + kLeast);
  for (double& a : out) a *= unit;
  return out;
}

}  // namespace nuri::rl
