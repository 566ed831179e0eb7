#include "tasks/number.h"

#include <algorithm>
#include <string>

#include "tasks/lookup.h"
#include "tasks/number_words.h"
#include "tasks/plain_math.h"

namespace nuri::tasks {
namespace {

constexpr std::string_view kFrac = "\\frac";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

size_t digits_from(std::string_view text, size_t at) {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

/// Digits from the start, in groups of three where the first comma says so.
size_t whole_digits(std::string_view text) {
  size_t i = digits_from(text, 0);
  const auto group = [&](size_t comma) {
    return comma < text.size() && text[comma] == ',' &&
           digits_from(text.substr(0, std::min(text.size(), comma + 5)), comma + 1) == comma + 4;
  };
  if (i >= 1 && i <= 3)
    while (group(i)) i += 4;
  return i;
}

/// [-+] and digits from `at` on; the end, or `at` where there are none. The value stops at 1,000.
size_t exponent_from(std::string_view text, size_t at, int& exponent) {
  const size_t sign = at < text.size() && (text[at] == '-' || text[at] == '+') ? 1 : 0;
  const size_t end = digits_from(text, at + sign);
  if (end == at + sign) return at;
  exponent = 0;
  for (size_t i = at + sign; i < end; ++i) exponent = std::min(1000, 10 * exponent + (text[i] - '0'));
  if (sign == 1 && text[at] == '-') exponent = -exponent;
  return end;
}

/// number * 10^exponent, with as many places as are left.
std::optional<Decimal> scaled(const Decimal& number, int exponent) {
  const int places = number.places - exponent;
  if (exponent < -kMaxDigits || exponent > kMaxDigits || places > kMaxDigits) return {};
  const Rational power{power_of_ten(exponent < 0 ? -exponent : exponent), 1};
  const auto value = exponent < 0 ? divide(number.value, power) : multiply(number.value, power);
  if (!value) return {};
  return Decimal{*value, std::max(0, places), false};
}

/// The end of "* 10^7", "x 10^{-7}" from `at` on; `at` where none stands there.
size_t power_from(std::string_view text, size_t at, int& exponent) {
  size_t i = blanks_from(text, at);
  if (i == text.size() || (text[i] != '*' && text[i] != 'x' && text[i] != 'X')) return at;
  i = blanks_from(text, i + 1);
  if (!text.substr(i).starts_with("10^")) return at;
  i += 3;
  const bool braced = text.substr(i).starts_with('{');
  i += braced;
  const size_t end = exponent_from(text, i, exponent);
  if (end == i || (braced && !text.substr(end).starts_with('}'))) return at;
  return end + braced;
}

/// The end of a numerator or denominator of \frac: {12}, {-12}, or one digit; `at` where it is none.
size_t part_from(std::string_view text, size_t at, std::optional<Rational>& part) {
  size_t i = blanks_from(text, at);
  if (i < text.size() && is_digit(text[i])) {
    part = Rational{text[i] - '0', 1};
    return i + 1;
  }
  if (!text.substr(i).starts_with('{')) return at;
  i = blanks_from(text, i + 1);
  const bool negative = text.substr(i).starts_with('-');
  size_t length = 0;
  const auto number = decimal_at(text.substr(std::min(text.size(), i + negative)), length);
  if (length == 0) return at;
  i = blanks_from(text, i + negative + length);
  if (!text.substr(i).starts_with('}')) return at;
  if (number) part = Rational{negative ? -number->value.numerator : number->value.numerator, number->value.denominator};
  return i + 1;
}

/// \frac of two numbers at the start.
std::optional<Rational> frac_at(std::string_view text, size_t& length) {
  length = 0;
  if (!text.starts_with(kFrac)) return {};
  std::optional<Rational> top, bottom;
  const size_t middle = part_from(text, kFrac.size(), top);
  const size_t end = middle == kFrac.size() ? middle : part_from(text, middle, bottom);
  if (end == middle) return {};
  length = end;
  return top && bottom ? divide(*top, *bottom) : std::nullopt;
}

std::optional<Decimal> whole_at(std::string_view text, size_t& length) {
  const auto out = decimal_at(text, length);
  const bool whole =
      digits_from(text, 0) > 0 && text.substr(0, length).find_first_not_of("0123456789,") == std::string_view::npos;
  if (!whole) length = 0;
  return whole ? out : std::nullopt;
}

/// What may follow a whole number: a denominator, or the fraction of a mixed number, below 1. The end, or `at`.
size_t fraction_from(std::string_view text, size_t at, std::optional<Rational>& value) {
  size_t i = blanks_from(text, at), length = 0;
  if (text.substr(i).starts_with(kFrac)) {
    const auto part = frac_at(text.substr(i), length);
    if (length == 0 || (part && part->numerator >= part->denominator)) return at;
    value = value && part && part->numerator >= 0 ? add(*value, *part) : std::nullopt;
    return i + length;
  }
  std::optional<Rational> top = value;
  const bool mixed = i > at && i < text.size() && is_digit(text[i]);
  if (mixed) {
    const auto number = whole_at(text.substr(i), length);
    if (length == 0) return at;
    top = number ? std::optional(number->value) : std::nullopt;
    i = blanks_from(text, i + length);
  }
  if (!text.substr(i).starts_with('/')) return at;
  i = blanks_from(text, i + 1);
  const auto bottom = whole_at(text.substr(i), length);
  if (length == 0) return at;
  const auto part = top && bottom ? divide(*top, bottom->value) : std::nullopt;
  if (mixed && part && part->numerator >= part->denominator) return at;
  value = !part || !value ? std::nullopt : mixed ? add(*value, *part) : part;
  return i + length;
}

}  // namespace

std::optional<Decimal> decimal_at(std::string_view plain, size_t& length) {
  const size_t whole = whole_digits(plain);
  size_t end = whole;
  if (end < plain.size() && plain[end] == '.') {
    const size_t i = digits_from(plain, end + 1);
    if (i > end + 1) end = i;  // a point that ends a sentence is none of the number
  }
  length = end;
  if (end == 0) return {};
  int exponent = 0;
  if (end < plain.size() && (plain[end] == 'e' || plain[end] == 'E')) {
    const size_t behind = exponent_from(plain, end + 1, exponent);
    if (behind > end + 1) length = behind;
  }
  int64_t digits = 0;
  int n = 0, places = 0;
  bool after_point = false;
  for (size_t i = 0; i < end; ++i) {
    if (plain[i] == '.') after_point = true;
    if (!is_digit(plain[i])) continue;
    if (n > 0 || plain[i] != '0') ++n;  // zeros in front are free
    if (n > kMaxDigits || places == kMaxDigits) return {};
    digits = digits * 10 + (plain[i] - '0');
    places += after_point;
  }
  const auto value = ratio(digits, power_of_ten(places));
  return value ? scaled({*value, places, false}, exponent) : std::nullopt;
}

std::optional<Decimal> number_at(std::string_view plain, size_t& length) {
  std::optional<Decimal> out;
  if (plain.starts_with('\\')) {
    if (const auto value = frac_at(plain, length)) out = Decimal{*value, 0, false};
  } else {
    out = decimal_at(plain, length);
    size_t whole = 0;
    (void)whole_at(plain, whole);
    int exponent = 0;
    std::optional<Rational> value = out ? std::optional(out->value) : std::nullopt;
    if (const size_t end = whole == length ? fraction_from(plain, length, value) : length; end > length) {
      length = end;
      out = value ? std::optional(Decimal{*value, 0, false}) : std::nullopt;
    } else if (const size_t behind = power_from(plain, length, exponent); length > 0 && behind > length) {
      length = behind;
      if (out) out = scaled(*out, exponent);
    }
  }
  if (length == 0) return {};
  std::optional<Rational> counted = out ? std::optional(out->value) : std::nullopt;
  if (const size_t end = multiplied_from(plain, length, counted); end > length) {
    length = end;
    out = counted ? std::optional(Decimal{*counted, 0, false}) : std::nullopt;
  } else if (const size_t at = blanks_from(plain, length); plain.substr(at).starts_with('%')) {
    length = at + 1;
    const auto hundredth = out ? divide(out->value, {100, 1}) : std::nullopt;
    out = hundredth ? std::optional(Decimal{*hundredth, out->places + 2, true}) : std::nullopt;
  }
  return out;
}

std::optional<Decimal> parse_number(std::string_view text) {
  const std::string plain = plain_math(text);
  std::string_view rest = trimmed(plain);
  if (rest.ends_with('.')) rest = trimmed(rest.substr(0, rest.size() - 1));
  bool negative = false, may_have_sign = true, enclosed = false;
  while (!rest.empty()) {
    const char first = rest.front(), last = rest.back();
    if (first == '*' && last == '*' && rest.size() > 1) {
      rest = trimmed(rest.substr(1, rest.size() - 2));
    } else if ((first == '(' && last == ')') || (first == '[' && last == ']') || (first == '{' && last == '}')) {
      enclosed = enclosed || first != '{';
      rest = trimmed(rest.substr(1, rest.size() - 2));
      may_have_sign = true;
    } else if (may_have_sign && (first == '-' || first == '+')) {
      negative = negative != (first == '-');
      rest = trimmed(rest.substr(1));
      may_have_sign = false;
    } else if (const std::string_view bare = without_unit(rest); bare.size() < rest.size()) {
      rest = bare;
    } else {
      break;
    }
  }
  if (enclosed && rest.find(',') != std::string_view::npos) return {};
  size_t length = 0;
  std::optional<Decimal> out = number_at(rest, length);
  if (!out || length != rest.size()) return {};
  if (negative) out->value.numerator = -out->value.numerator;
  return out;
}

}  // namespace nuri::tasks
