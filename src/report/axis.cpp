#include "report/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "base/x1.h"

namespace nuri::report {
namespace {

/// 10^exponent, correctly rounded.
double power_of_ten(int exponent) { return std::strtod(fmt::format("1e{}", exponent).c_str(), nullptr); }

/// Largest e with 10^e <= value, for value > 0.
int decade(double value) {
  int e = static_cast<int>(std::floor(0.30102999566398120 * std::ilogb(value)));
  while (e < 308 && power_of_ten(e + 1) <= value) ++e;
  while (e > -307 && power_of_ten(e) > value) --e;
  return e;
}

std::vector<double> linear_ticks(double low, double high, int wanted) {
  const double raw = (high - low) / std::max(1, wanted);
  double step = power_of_ten(decade(raw));
  if (raw > 7 * step) {
    step *= 10;
  } else if (raw > 3 * step) {
    step *= 5;
  } else if (raw > 1.4 * step) {
    step *= 2;
  }
  std::vector<double> ticks;
  const double first = std::ceil(low / step - 1e-9), last = std::floor(high / step + 1e-9);
  for (double k = first; k <= last && ticks.size() < 50; k += 1) ticks.push_back(k == 0 ? 0 : k * step);
  return ticks;
}

std::vector<double> logarithmic_ticks(double low, double high, int wanted) {
  const int first = decade(low), last = decade(high);
  const int stride = std::max(1, (last - first + wanted) / std::max(1, wanted));
  std::vector<double> ticks;
  for (int e = first; e <= last; ++e) {
    if (last - first >= 3) {
      if ((e - first) % stride == 0) ticks.push_back(power_of_ten(e));
    } else {
      for (double m : {1.0, 2.0, 5.0}) ticks.push_back(m * power_of_ten(e));
    }
  }
  std::erase_if(ticks, [&](double t) { return t < low * (1 - 1e-9) || t > high * (1 + 1e-9); });
  return ticks;
}

}  // namespace

std::string short_number(double value) {
  if (value == 0) return "0";
  if (!std::isfinite(value)) return value != value ? "nan" : value > 0 ? "inf" : "-inf";
  const double a = std::fabs(value);
  if (a < 1e-3 || a >= 1e15) return fmt::format("{:.4g}", value);
  constexpr struct {
    double unit;
    const char* suffix;
  } kUnits[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
  if (a >= 1e4) {
    for (const auto& u : kUnits) {
      if (a >= u.unit) return fmt::format("{:.5g}{}", value / u.unit, u.suffix);
    }
  }
  return fmt::format("{:.5g}", value);
}

Axis::Axis(double low, double high, bool logarithmic, int wanted_ticks) : low_(low), high_(high) {
  if (!std::isfinite(low_) || !std::isfinite(high_)) low_ = 0, high_ = 1;
  // Ranges beyond this would overflow in differences; no chart of ours comes near.
  low_ = std::clamp(low_, -1e300, 1e300);
  high_ = std::clamp(high_, -1e300, 1e300);
  if (high_ < low_) std::swap(low_, high_);
  logarithmic_ = logarithmic && low_ > 1e-300;
  const double least = std::max(std::fabs(low_), std::fabs(high_)) * 1e-9;
  if (high_ - low_ <= least) {
    const double half = low_ == 0 ? 0.5 : std::fabs(low_) * 0.05;
    low_ -= half;
    high_ += half;
  }
  ticks_ = logarithmic_ ? logarithmic_ticks(low_, high_, wanted_ticks) : linear_ticks(low_, high_, wanted_ticks);
}

double Axis::position(double value) const {
  const double p = logarithmic_ ? (value <= 0 ? 0 : (x1::log(value) - x1::log(low_)) / (x1::log(high_) - x1::log(low_)))
                                : (value - low_) / (high_ - low_);
  return std::clamp(p, 0.0, 1.0);
}

}  // namespace nuri::report
