#include "tasks/number_words.h"

#include <algorithm>
#include <span>
#include <string>

#include "tasks/lookup.h"
#include "tasks/number.h"

namespace nuri::tasks {
namespace {

constexpr std::string_view kText = "\\text{";
constexpr size_t kLongestUnit = 64;

struct Multiplier {
  std::string_view word;
  int64_t factor;
  std::string_view not_before = {};  ///< with it the word is another one
};
constexpr Multiplier kEnglish[] = {{"hundred", 100},        {"thousand", 1000},          {"million", 1000000},
                                   {"billion", 1000000000}, {"trillion", 1000000000000}, {"dozen", 12}};
constexpr Multiplier kSmall[] = {{"십", 10}, {"백", 100}, {"천", 1000}};
constexpr Multiplier kLarge[] = {{"만", 10000, "큼"}, {"억", 100000000}, {"조", 1000000000000, "각"}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// Without ^2, ^3, ^{2}, ^{3} at its end.
std::string_view without_power(std::string_view text) {
  for (const std::string_view power : {"^2", "^3", "^{2}", "^{3}"})
    if (text.ends_with(power)) return text.substr(0, text.size() - power.size());
  return text;
}

/// The factor of a word at `at`, which moves behind it; 1: none stands there.
int64_t korean_factor(std::span<const Multiplier> words, std::string_view text, size_t& at) {
  const std::string_view rest = text.substr(blanks_from(text, at));
  for (const Multiplier& m : words) {
    if (!rest.starts_with(m.word)) continue;
    const std::string_view behind = rest.substr(m.word.size());
    if (!m.not_before.empty() && behind.starts_with(m.not_before)) return 1;
    at = text.size() - behind.size();
    return m.factor;
  }
  return 1;
}

/// "million", " Millions", "\text{ million}" at `at`, which moves behind it; 1: none stands there.
int64_t english_factor(std::string_view text, size_t& at) {
  size_t i = blanks_from(text, at);
  const bool braced = text.substr(i).starts_with(kText);
  if (braced) i = blanks_from(text, i + kText.size());
  for (const Multiplier& m : kEnglish) {
    const std::string_view word = text.substr(i, m.word.size());
    const bool same = std::equal(word.begin(), word.end(), m.word.begin(), m.word.end(),
                                 [](char a, char b) { return is_letter(a) && (a | 0x20) == b; });
    if (!same) continue;
    size_t end = i + word.size();
    if (end < text.size() && text[end] == 's') ++end;
    if (end < text.size() && is_letter(text[end])) return 1;
    if (braced) {
      end = blanks_from(text, end);
      if (!text.substr(end).starts_with('}')) return 1;
      ++end;
    }
    at = end;
    return m.factor;
  }
  return 1;
}

std::optional<Rational> times(const std::optional<Rational>& value, int64_t factor) {
  return value ? multiply(*value, {factor, 1}) : std::nullopt;
}
std::optional<Rational> sum(const std::optional<Rational>& a, const std::optional<Rational>& b) {
  return a && b ? add(*a, *b) : std::nullopt;
}
bool is_below(const std::optional<Rational>& value, int64_t bound) {
  return value && value->numerator / value->denominator < bound;
}

/// Terms of 천 백 십 and ones add up until 만, 억 or 조 multiplies them; each term is below what the one before counts.
size_t korean_from(std::string_view text, size_t at, std::optional<Rational>& value) {
  std::optional<Rational> total = Rational{0, 1}, section = total, digits = value;
  int64_t bound = 0, large_before = 0;  // 0: there is none
  size_t end = at, i = at;
  while (true) {
    const int64_t small = korean_factor(kSmall, text, i), large = korean_factor(kLarge, text, i);
    const std::optional<Rational> part = times(digits, small);
    const bool bare = small == 1 && large == 1;
    if (bound == 0 ? bare : !is_below(part, bound) || (large_before > 0 && large >= large_before)) break;
    if (bare && i < text.size() && std::string_view("/^_:%*").find(text[i]) != std::string_view::npos) break;
    section = sum(section, part);
    if (large > 1) total = sum(total, times(section, large)), section = Rational{0, 1}, large_before = large;
    end = i;
    bound = large > 1 ? large : small;
    i = blanks_from(text, i);
    size_t length = 0;
    if (bare || i == text.size() || !is_digit(text[i])) break;
    const auto next = decimal_at(text.substr(i), length);
    digits = next ? std::optional(next->value) : std::nullopt;
    i += length;
  }
  if (end > at) value = sum(total, section);
  return end;
}

}  // namespace

bool multiplies(std::string_view words) {
  size_t at = 0;
  return std::any_of(std::begin(kEnglish), std::end(kEnglish),
                     [words](const Multiplier& m) { return words.find(m.word) != std::string_view::npos; }) ||
         korean_factor(kSmall, words, at) > 1 || korean_factor(kLarge, words, at) > 1;
}

bool is_unit(std::string_view words) {
  constexpr std::string_view kNoUnits[] = {"percent", "per cent", " or ", " and ", " to ", "base"};
  words = without_power(trimmed(words));
  const std::string spaced = " " + std::string(words) + " ";
  return !multiplies(words) && std::none_of(std::begin(kNoUnits), std::end(kNoUnits), [&](std::string_view no) {
    return spaced.find(no) != std::string::npos;
  }) && std::none_of(words.begin(), words.end(), [](char c) {
    return is_digit(c) || c == '\\' || c == '{' || c == '}';
  });
}

size_t unit_from(std::string_view plain, size_t at) {
  constexpr std::string_view kUnits[] = {"m", "km", "cm", "mm", "in", "ft", "s", "units", "yd", "mi"};
  size_t i = blanks_from(plain, at);
  while (true) {
    size_t end = i;
    if (plain.substr(i).starts_with(kText)) {
      int depth = 0;
      for (end = i + kText.size() - 1; end < plain.size() && end - i < kLongestUnit; ++end) {
        if (plain[end] == '{') ++depth;
        if (plain[end] == '}' && --depth == 0) break;
      }
      if (depth > 0) return at;
      if (!is_unit(plain.substr(i + kText.size(), end - i - kText.size()))) return at;
      ++end;
    } else {
      while (end < plain.size() && end - i < kLongestUnit && is_letter(plain[end])) ++end;
      if (std::find(std::begin(kUnits), std::end(kUnits), plain.substr(i, end - i)) == std::end(kUnits)) return at;
      if (i == at && end == i + 1) return at;  // 3s is a product
    }
    for (const std::string_view power : {"^2", "^3", "^{2}", "^{3}"})
      if (plain.substr(end).starts_with(power)) {
        end += power.size();
        break;
      }
    if (!plain.substr(end).starts_with('/')) return end;
    i = end + 1;
  }
}

std::string_view without_unit(std::string_view text) {
  constexpr std::string_view kWon = "원";
  if (text.ends_with(kWon)) return trimmed(text.substr(0, text.size() - kWon.size()));
  const std::string_view rest = without_power(text);
  const size_t at = rest.rfind(kText);
  if (!rest.ends_with('}') || at == std::string_view::npos || rest.size() - at > kLongestUnit) return text;
  const size_t begin = at + kText.size();
  return is_unit(rest.substr(begin, rest.size() - 1 - begin)) ? trimmed(text.substr(0, at)) : text;
}

size_t multiplied_from(std::string_view plain, size_t at, std::optional<Rational>& value) {
  if (const size_t end = korean_from(plain, at, value); end > at) return end;
  while (true) {
    const int64_t factor = english_factor(plain, at);
    if (factor == 1) return at;
    value = times(value, factor);
  }
}

}  // namespace nuri::tasks
