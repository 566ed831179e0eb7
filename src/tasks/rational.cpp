#include "tasks/rational.h"

#include <fmt/format.h>

#include <limits>

#include "tasks/lookup.h"

namespace nuri::tasks {
namespace {

constexpr int kMaxDigits = 18;

__int128 magnitude(__int128 x) { return x < 0 ? -x : x; }

__int128 greatest_divisor(__int128 a, __int128 b) {
  while (b != 0) {
    const __int128 rest = a % b;
    a = b, b = rest;
  }
  return a;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Digits from `at` on, in groups of three where the first comma says so.
size_t whole_digits(std::string_view text, size_t at) {
  size_t i = at;
  while (i < text.size() && is_digit(text[i])) ++i;
  const auto group = [&](size_t comma) {
    if (comma + 3 >= text.size() || text[comma] != ',') return false;
    for (size_t k = 1; k <= 3; ++k)
      if (!is_digit(text[comma + k])) return false;
    return comma + 4 >= text.size() || !is_digit(text[comma + 4]);
  };
  if (i - at >= 1 && i - at <= 3)
    while (i < text.size() && group(i)) i += 4;
  return i - at;
}

int64_t power_of_ten(int places) {
  int64_t out = 1;
  for (int i = 0; i < places; ++i) out *= 10;
  return out;
}

}  // namespace

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

std::optional<Decimal> decimal_at(std::string_view text, size_t& length) {
  const size_t whole = whole_digits(text, 0);
  size_t end = whole;
  if (end < text.size() && text[end] == '.') {
    size_t i = end + 1;
    while (i < text.size() && is_digit(text[i])) ++i;
    if (i > end + 1) end = i;  // a point that ends a sentence is none of the number
  }
  if (end == 0) return {};
  int64_t digits = 0;
  int n = 0, places = 0;
  bool after_point = false;
  for (size_t i = 0; i < end; ++i) {
    if (text[i] == '.') after_point = true;
    if (!is_digit(text[i])) continue;
    if (n > 0 || text[i] != '0') ++n;  // zeros in front are free
    if (n > kMaxDigits || places == kMaxDigits) return {};
    digits = digits * 10 + (text[i] - '0');
    places += after_point;
  }
  length = end;
  const auto value = ratio(digits, power_of_ten(places));
  return value ? std::optional(Decimal{*value, places}) : std::nullopt;
}

std::optional<Decimal> parse_number(std::string_view text) {
  text = trimmed(text);
  bool negative = false;
  if (text.starts_with("\xE2\x88\x92"))
    negative = true, text.remove_prefix(3);
  else if (text.starts_with('-') || text.starts_with('+'))
    negative = text.front() == '-', text.remove_prefix(1);
  size_t length = 0;
  std::optional<Decimal> out = decimal_at(text, length);
  if (!out) return {};
  text = trimmed(text.substr(length));
  // What may follow: the denominator, or the fraction of a mixed number.
  if (!text.empty() && out->places == 0 && text.front() != '%') {
    std::optional<Decimal> top;
    if (text.front() != '/') {
      top = decimal_at(text, length);
      if (!top || top->places != 0) return {};
      text = trimmed(text.substr(length));
    }
    if (!text.starts_with('/')) return {};
    text = trimmed(text.substr(1));
    const std::optional<Decimal> bottom = decimal_at(text, length);
    if (!bottom || bottom->places != 0) return {};
    text = trimmed(text.substr(length));
    const auto fraction = divide(top ? top->value : out->value, bottom->value);
    if (!fraction) return {};
    const auto value = top ? add(out->value, *fraction) : fraction;
    if (!value) return {};
    out->value = *value;
  }
  if (text == "%") {
    const auto hundredth = divide(out->value, {100, 1});
    if (!hundredth) return {};
    out->value = *hundredth, out->places += 2;
  } else if (!text.empty()) {
    return {};
  }
  if (negative) out->value.numerator = -out->value.numerator;
  return out;
}

std::optional<Rational> rounded(const Rational& value, int places) {
  if (places < 0 || places > kMaxDigits) return {};
  const __int128 scale = power_of_ten(places);
  const __int128 scaled = magnitude(value.numerator) * scale * 2 + value.denominator;  // below 2^125
  const __int128 whole = scaled / (static_cast<__int128>(value.denominator) * 2);
  return ratio(value.numerator < 0 ? -whole : whole, scale);
}

}  // namespace nuri::tasks
