// Exact fractions: what an answer is worth does not depend on how it is rounded or written (number.h reads them).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace nuri::tasks {

/// In lowest terms, the denominator above 0; zero is 0/1.
struct Rational {
  int64_t numerator = 0, denominator = 1;
  bool operator==(const Rational&) const = default;
  std::string text() const;  ///< "7", "-7/2"
};

/// Each gives nothing where the result does not fit into 64-bit terms, or where a division is by zero.
std::optional<Rational> ratio(__int128 numerator, __int128 denominator);
std::optional<Rational> add(const Rational& a, const Rational& b);
std::optional<Rational> subtract(const Rational& a, const Rational& b);
std::optional<Rational> multiply(const Rational& a, const Rational& b);
std::optional<Rational> divide(const Rational& a, const Rational& b);
/// exponent in [-64, 64].
std::optional<Rational> power(const Rational& base, int64_t exponent);

/// 18: what fits into 64 bits whatever the digits are.
inline constexpr int kMaxDigits = 18;
/// places in [0, kMaxDigits].
int64_t power_of_ten(int places);
/// The value with `places` digits after the point, half away from zero.
std::optional<Rational> rounded(const Rational& value, int places);

}  // namespace nuri::tasks
