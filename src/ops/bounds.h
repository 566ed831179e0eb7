// Error bounds for tests: what rounding can do at most, from the format's unit roundoff and the size of the operation.
#pragma once

#include <cstdint>

namespace nuri::bounds {

inline constexpr double kFp32 = 0x1p-24;  ///< unit roundoff: half a unit in the last place, relative
inline constexpr double kBf16 = 0x1p-8;   ///< of BF16: 8 significant bits, so 2^-9 to 2^-8 of a value

/// n roundings in a row: (1 + u)^n - 1 <= n u / (1 - n u). A chain of n multiply-adds is off by at most
/// gamma(n) * sum |a_i b_i|.
constexpr double gamma(int64_t n, double u = kFp32) {
  return static_cast<double>(n) * u / (1 - static_cast<double>(n) * u);
}

/// A row sum by rule 5 of n terms that are products: ceil(n / 64) additions in a lane, 6 between lanes, the product
/// itself. Relative to the sum of magnitudes.
constexpr double row_sum(int64_t n) { return gamma((n + 63) / 64 + 7); }

/// exp and log of profile x1 against the exact value: 2 ulp, relative.
inline constexpr double kFunction = 4 * kFp32;

}  // namespace nuri::bounds
