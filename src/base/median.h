// The middle of measurements.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace nuri {

/// The median; of an even number the upper of the two in the middle. REQUIRES: one value at least.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace nuri
