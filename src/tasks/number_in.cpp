// The number in a text: the last one that stands for itself.
#include <algorithm>
#include <string>

#include "tasks/lookup.h"
#include "tasks/number.h"
#include "tasks/number_words.h"
#include "tasks/plain_math.h"

namespace nuri::tasks {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

size_t letters_from(std::string_view text, size_t at) {
  while (at < text.size() && is_letter(text[at])) ++at;
  return at;
}

template <size_t n>
bool is_in(const std::string_view (&names)[n], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

/// Commands that stand beside a number and take no part in it.
bool is_apart(std::string_view name) {
  constexpr std::string_view kApart[] = {
      "\\text",    "\\textit",      "\\end", "\\tag",    "\\label", "\\Rightarrow", "\\rightarrow", "\\Longrightarrow",
      "\\implies", "\\iff",         "\\to",  "\\approx", "\\simeq", "\\equiv",      "\\ne",         "\\neq",
      "\\le",      "\\leq",         "\\ge",  "\\geq",    "\\lt",    "\\gt",         "\\therefore",  "\\because",
      "\\square",  "\\blacksquare", "\\Box", "\\qed",    "\\hline", "\\newline",    "\\hfill",      "\\dots",
      "\\ldots"};
  return is_in(kApart, name);
}

/// Walks over a text and knows where formulas are: groups behind a command, a power or an index, and what a function's
/// name or a root stands before.
class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) {}
  /// One step over what is no number.
  void step() {
    const char c = text_[at];
    function_ = function_ && (c == ' ' || c == '{');
    if (c == '\\') return command();
    const char before = at > 0 ? text_[at - 1] : ' ';
    if (c == '{' && (depth_ > 0 || at == command_end_ || before == '^' || before == '_' || before == '}')) ++depth_;
    if (c == '}' && depth_ > 0) --depth_;
    ++at;
  }
  void pass(size_t bytes) {
    function_ = false;
    at += bytes;
  }
  /// Whether a number from `begin` to `end` is what the text says, and no part of a formula.
  bool is_free(size_t begin, size_t end) const {
    if (depth_ > 0 || tables_ > 0 || function_ || (at == command_end_ && !apart_)) return false;
    const char before = begin > 0 ? text_[begin - 1] : ' ';
    if (before == '^' || before == '_' || before == '/' || (is_digit(before) && text_[begin] == '\\')) return false;
    if ((before == '.' || before == ',' || before == ':') && begin > 1 && is_digit(text_[begin - 2])) return false;
    const std::string_view behind = text_.substr(end);
    if (behind.starts_with('^') || behind.starts_with('_') || behind.starts_with(kPi)) return false;
    constexpr std::string_view kThousands = "kKMB";  // 12k: thousands, or a variable
    if (!behind.empty() && kThousands.find(behind[0]) != std::string_view::npos &&
        (behind.size() == 1 || (!is_letter(behind[1]) && !is_digit(behind[1]))))
      return false;
    const std::string_view next = behind.substr(blanks_from(behind, 0));
    if (!next.starts_with('\\') || next.starts_with("\\\\")) return true;
    const std::string_view near = next.substr(0, kLongestName), name = near.substr(0, letters_from(near, 1));
    if (near.starts_with("\\text{")) return !multiplies(near.substr(6, near.find('}') - 6));
    return is_apart(name);
  }

  size_t at = 0;

 private:
  void command() {
    constexpr std::string_view kFunctions[] = {"\\sqrt", "\\sin", "\\cos", "\\tan",    "\\cot",    "\\sec",   "\\csc",
                                               "\\log",  "\\ln",  "\\exp", "\\arctan", "\\arcsin", "\\arccos"};
    const size_t end = letters_from(text_, at + 1);
    const std::string_view name = text_.substr(at, end - at);
    function_ = is_in(kFunctions, name);
    apart_ = is_apart(name);
    if (name != "\\text" && name.size() > 1) command_end_ = end;
    if (is_table(text_.substr(end, kLongestName))) tables_ += name == "\\begin" ? 1 : name == "\\end" ? -1 : 0;
    at = end;
  }

  /// Of \begin or \end: the entries of a matrix or of cases are a list.
  static bool is_table(std::string_view group) {
    const std::string_view name = group.substr(0, group.find('}'));
    return name.starts_with('{') && (name.ends_with("matrix") || name == "{array" || name == "{cases");
  }

  static constexpr size_t kLongestName = 64;
  static constexpr std::string_view kPi = "\xCF\x80";
  std::string_view text_;
  int64_t depth_ = 0, tables_ = 0;
  size_t command_end_ = std::string_view::npos;
  bool function_ = false, apart_ = false;
};

/// The number at `at` with its sign, and the parentheses between them; without a sign as it stands. Looks at no more
/// than stands between two numbers.
std::string_view with_sign(std::string_view plain, size_t at, size_t length) {
  constexpr std::string_view kBlanks = " \t", kBefore = "=(:[{<>&";
  const auto back = [&](size_t i) {
    while (i > 0 && kBlanks.find(plain[i - 1]) != std::string_view::npos) --i;
    return i;
  };
  size_t begin = back(at), end = at + length;
  while (begin > 0 && (plain[begin - 1] == '(' || plain[begin - 1] == '[')) {
    const size_t close = blanks_from(plain, end);
    if (!plain.substr(close).starts_with(plain[begin - 1] == '(' ? ')' : ']')) break;
    begin = back(begin - 1), end = close + 1;
  }
  if (begin == 0 || plain[begin - 1] != '-') return plain.substr(at, length);
  const char directly = begin > 1 ? plain[begin - 2] : '=';
  const size_t before = back(begin - 1);
  const bool sign = before == 0 || kBefore.find(plain[before - 1]) != std::string_view::npos ||
                    (begin == at && !is_digit(directly) && directly != ')');
  return sign ? plain.substr(begin - 1, end - begin + 1) : plain.substr(at, length);
}

/// Whether what looks like thousands is two ends: [2,400], (2,400], and (2,400) behind a sign of sets.
bool is_interval(std::string_view plain, std::string_view number) {
  if (number.find(',') == std::string_view::npos) return false;
  const auto without_blanks = [&](size_t end) { return plain.substr(0, plain.find_last_not_of(' ', end - 1) + 1); };
  const auto begin = static_cast<size_t>(number.data() - plain.data());
  const std::string_view before = begin > 0 ? without_blanks(begin) : "";
  const std::string_view behind = plain.substr(blanks_from(plain, begin + number.size()));
  if (!before.ends_with('[') && !before.ends_with('(')) return false;
  if (!behind.starts_with(']') && !behind.starts_with(')')) return false;
  const std::string_view sets = before.size() > 1 ? without_blanks(before.size() - 1) : "";
  return before.ends_with('[') || behind.starts_with(']') || sets.ends_with("\\in") || sets.ends_with("\xE2\x88\x88");
}

}  // namespace

std::string_view last_number(std::string_view plain) {
  constexpr std::string_view kBlanks = " \t\r\n", kBetween = " \t\r\n,;()[]{}";  // of a list
  Walk walk(plain);
  std::string_view last;
  std::optional<Rational> first_value;
  bool free = false, only_numbers = true, behind = false;  // behind: a number and blanks
  bool one = true;                                         // only one value, however often: 12 (12)
  int64_t n = 0;
  while (walk.at < plain.size()) {
    const size_t at = walk.at;
    const std::string_view rest = plain.substr(at);
    const char before = at > 0 ? plain[at - 1] : ' ';
    const bool point = rest[0] == '.' && rest.size() > 1 && is_digit(rest[1]) && !is_digit(before) && before != '.' &&
                       !is_letter(before);
    std::optional<Decimal> number;
    size_t length = 0;
    if (is_digit(rest[0]) || point || rest.starts_with("\\frac")) number = number_at(rest, length);
    if (length == 0) {
      if (rest.starts_with("\\frac")) free = false, last = {};
      // A minus is a sign where no number stands before it: 5-3 is no list.
      only_numbers = only_numbers && (kBetween.find(rest[0]) != std::string_view::npos || (rest[0] == '-' && !behind));
      one = one && rest[0] != ',' && rest[0] != ';';
      if (kBlanks.find(rest[0]) == std::string_view::npos) behind = false;
      walk.step();
      continue;
    }
    last = with_sign(plain, at, length);
    const auto begin = static_cast<size_t>(last.data() - plain.data());
    free = walk.is_free(begin, begin + last.size()) && !is_interval(plain, last);
    if (number && begin < at) number->value.numerator = -number->value.numerator;
    if (n == 0 && number) first_value = number->value;
    one = one && number && first_value == number->value;
    const size_t unit = free ? unit_from(plain, at + length) : at + length;
    only_numbers = only_numbers && unit == at + length;
    walk.pass(unit - at);
    behind = true;
    ++n;
  }
  // (1,234) may be two numbers.
  const bool pair = n == 1 && last.find(',') != std::string_view::npos && plain.find_first_of("([") < plain.size();
  return free && (!only_numbers || (n == 1 ? !pair : one)) ? last : std::string_view();
}

std::optional<Decimal> number_in(std::string_view text) {
  if (const auto number = parse_number(text)) return number;
  const std::string plain = plain_math(text);
  const std::string_view last = last_number(plain);
  return last.empty() ? std::nullopt : parse_number(last);
}

std::optional<Decimal> number_with_words(std::string_view text) {
  const std::string plain = plain_math(text);
  std::string_view rest = trimmed(plain);
  const bool negative = rest.starts_with('-');
  rest = trimmed(rest.substr(negative));
  size_t length = 0;
  std::optional<Decimal> out = number_at(rest, length);
  if (!out) return {};
  const size_t unit = unit_from(rest, length);
  // 5x and 5 x are products, 5 xs is none.
  if (unit == length && length < rest.size() && is_letter(rest[length])) return {};
  std::string_view words = trimmed(rest.substr(unit));
  if (words.ends_with('.')) words.remove_suffix(1);
  if (!is_unit(words)) return {};
  for (size_t i = 0; i < words.size();) {
    const size_t end = std::min(words.size(), words.find_first_of(" \t\r\n", i));
    const std::string_view word = words.substr(i, end - i);
    const bool hangul = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
      const auto byte = static_cast<unsigned char>(c);  // U+A000 to U+DFFF, all but Hangul unused in numbers
      return (byte >= 0x80 && byte <= 0xBF) || (byte >= 0xEA && byte <= 0xED);
    });
    const bool latin = word.size() > 1 && letters_from(word, 0) == word.size() && word != "pi" && word != "sqrt";
    if (!word.empty() && !hangul && !latin) return {};
    i = end + 1;
  }
  if (negative) out->value.numerator = -out->value.numerator;
  return out;
}

}  // namespace nuri::tasks
