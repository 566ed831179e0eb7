// One axis of a chart: range, round ticks, short numbers.
#pragma once

#include <string>
#include <vector>

namespace nuri::report {

/// A number for an axis or a tooltip: up to 5 significant digits, k / M / G / T from 10,000 on, 2e-05 style below
/// 0.001.
std::string short_number(double value);

/// A range of finite numbers and where its ticks stand. Ticks are 1, 2 or 5 times a power of ten (linear) or powers of
/// ten (logarithmic; with 2 and 5 of each decade where fewer than three powers lie inside).
class Axis {
 public:
  /// Widens an empty range; a logarithmic axis needs low > 0 (else it is treated as linear).
  Axis(double low, double high, bool logarithmic, int wanted_ticks);
  double low() const { return low_; }
  double high() const { return high_; }
  bool logarithmic() const { return logarithmic_; }
  const std::vector<double>& ticks() const { return ticks_; }
  /// Position in [0, 1] of a value of the range; values outside it are clamped.
  double position(double value) const;

 private:
  double low_, high_;
  bool logarithmic_;
  std::vector<double> ticks_;
};

}  // namespace nuri::report
