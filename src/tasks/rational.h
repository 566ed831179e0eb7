// Exact fractions: what an answer is worth does not depend on how it is rounded or written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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

/// A decimal number of at most 18 digits and how many of them stand after the point.
struct Decimal {
  Rational value;
  int places = 0;
};
/// The longest number at the start of `text`: digits, which may be in groups of three with commas, and a decimal part;
/// no sign. `length`: bytes it takes. Nothing where none stands there or it has more digits.
std::optional<Decimal> decimal_at(std::string_view text, size_t& length);

/// The whole of `text` (blanks around it aside): a sign, then a number ("-1,234.50"), a fraction ("7/2"), a mixed
/// number
/// ("3 1/2") or a percentage ("12.5 %", a hundredth each). A minus may also be U+2212.
std::optional<Decimal> parse_number(std::string_view text);

/// The value with `places` digits after the point, half away from zero.
std::optional<Rational> rounded(const Rational& value, int places);

}  // namespace nuri::tasks
