// The number in a text: the last one that stands for itself.
#include <algorithm>
#include <string>

#include "tasks/number.h"
#include "tasks/plain_math.h"

namespace nuri::tasks {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

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
  /// Whether a number of these bytes at `begin` is what the text says, and no part of a formula.
  bool is_free(size_t begin, size_t bytes) const {
    if (depth_ > 0 || function_ || at == command_end_) return false;
    const char before = begin > 0 ? text_[begin - 1] : ' ';
    if (before == '^' || before == '_' || before == '/') return false;
    if ((before == '.' || before == ',' || before == ':') && begin > 1 && is_digit(text_[begin - 2])) return false;
    const std::string_view behind = text_.substr(begin + bytes);
    if (behind.starts_with('^') || behind.starts_with('_')) return false;
    const std::string_view next = behind.substr(std::min(behind.size(), behind.find_first_not_of(' ')));
    return !next.starts_with('\\') || next.starts_with("\\text");
  }

  size_t at = 0;

 private:
  void command() {
    constexpr std::string_view kFunctions[] = {"\\sqrt", "\\sin", "\\cos", "\\tan",    "\\cot",    "\\sec",   "\\csc",
                                               "\\log",  "\\ln",  "\\exp", "\\arctan", "\\arcsin", "\\arccos"};
    size_t end = at + 1;
    while (end < text_.size() && ((text_[end] | 0x20) >= 'a' && (text_[end] | 0x20) <= 'z')) ++end;
    const std::string_view name = text_.substr(at, end - at);
    function_ = std::find(std::begin(kFunctions), std::end(kFunctions), name) != std::end(kFunctions);
    if (name != "\\text" && name.size() > 1) command_end_ = end;
    at = end;
  }

  std::string_view text_;
  int64_t depth_ = 0;
  size_t command_end_ = std::string_view::npos;
  bool function_ = false;
};

}  // namespace

std::string_view last_number(std::string_view plain) {
  constexpr std::string_view kBlanks = " \t\r\n", kBetween = " \t\r\n,;()[]{}";  // of a list
  Walk walk(plain);
  std::string_view last;
  bool free = false, only_numbers = true, behind = false;  // behind: a number and blanks
  int64_t n = 0;
  while (walk.at < plain.size()) {
    const size_t at = walk.at;
    const std::string_view rest = plain.substr(at);
    const char before = at > 0 ? plain[at - 1] : ' ';
    const bool point = rest[0] == '.' && rest.size() > 1 && is_digit(rest[1]) && (before == ' ' || before == '-');
    size_t length = 0;
    if (is_digit(rest[0]) || point || rest.starts_with("\\frac")) (void)number_at(rest, length);
    if (length == 0) {
      if (rest.starts_with("\\frac")) free = false, last = {};
      // A minus is a sign where no number stands before it: 5-3 is no list.
      only_numbers = only_numbers && (kBetween.find(rest[0]) != std::string_view::npos || (rest[0] == '-' && !behind));
      if (kBlanks.find(rest[0]) == std::string_view::npos) behind = false;
      walk.step();
      continue;
    }
    const bool sign = before == '-' && (at < 2 || (!is_digit(plain[at - 2]) && plain[at - 2] != ')'));
    free = walk.is_free(at - sign, length + sign);
    last = plain.substr(at - sign, length + sign);
    walk.pass(length);
    behind = true;
    ++n;
  }
  return free && (n == 1 || !only_numbers) ? last : std::string_view();
}

std::optional<Decimal> number_in(std::string_view text) {
  if (const auto number = parse_number(text)) return number;
  const std::string plain = plain_math(text);
  const std::string_view last = last_number(plain);
  return last.empty() ? std::nullopt : parse_number(last);
}

}  // namespace nuri::tasks
