#include "tasks/rational.h"

#include <fmt/format.h>

#include <limits>

namespace nuri::tasks {
namespace {

__int128 magnitude(__int128 x) { return x < 0 ? -x : x; }

__int128 greatest_divisor(__int128 a, __int128 b) {
  while (b != 0) {
    const __int128 rest = a % b;
    a = b, b = rest;
  }
  return a;
}

}  // namespace

int64_t power_of_ten(int places) {
  int64_t out = 1;
  for (int i = 0; i < places; ++i) out *= 10;
  return out;
}

std::string Rational::text() const {
  return denominator == 1 ? fmt::format("{}", numerator) : fmt::format("{}/{}", numerator, denominator);
}

std::optional<Rational> ratio(__int128 numerator, __int128 denominator) {
  if (denominator == 0) return {};
  if (denominator < 0) numerator = -numerator, denominator = -denominator;
  const __int128 divisor = greatest_divisor(magnitude(numerator), denominator);
  numerator /= divisor, denominator /= divisor;
  constexpr __int128 kMost = std::numeric_limits<int64_t>::max();
  if (magnitude(numerator) > kMost || denominator > kMost) return {};
  return Rational{static_cast<int64_t>(numerator), static_cast<int64_t>(denominator)};
}

// Terms are below 2^63, their products below 2^126 and a sum of two below 2^127: nothing overflows before ratio()
// looks.
std::optional<Rational> add(const Rational& a, const Rational& b) {
  return ratio(static_cast<__int128>(a.numerator) * b.denominator + static_cast<__int128>(b.numerator) * a.denominator,
               static_cast<__int128>(a.denominator) * b.denominator);
}
std::optional<Rational> subtract(const Rational& a, const Rational& b) { return add(a, {-b.numerator, b.denominator}); }
std::optional<Rational> multiply(const Rational& a, const Rational& b) {
  return ratio(static_cast<__int128>(a.numerator) * b.numerator, static_cast<__int128>(a.denominator) * b.denominator);
}
std::optional<Rational> divide(const Rational& a, const Rational& b) {
  return ratio(static_cast<__int128>(a.numerator) * b.denominator, static_cast<__int128>(a.denominator) * b.numerator);
}

std::optional<Rational> power(const Rational& base, int64_t exponent) {
  if (exponent < -64 || exponent > 64) return {};
  std::optional<Rational> out = Rational{1, 1};
  for (int64_t i = 0; out && i < (exponent < 0 ? -exponent : exponent); ++i) out = multiply(*out, base);
  return out && exponent < 0 ? divide({1, 1}, *out) : out;
}

std::optional<Rational> rounded(const Rational& value, int places) {
  if (places < 0 || places > kMaxDigits) return {};
  const __int128 scale = power_of_ten(places);
  const __int128 scaled = magnitude(value.numerator) * scale * 2 + value.denominator;  // below 2^125
  const __int128 whole = scaled / (static_cast<__int128>(value.denominator) * 2);
  return ratio(value.numerator < 0 ? -whole : whole, scale);
}

}  // namespace nuri::tasks
