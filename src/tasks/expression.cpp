#include "tasks/expression.h"

#include <fmt/format.h>

namespace nuri::tasks {
namespace {

struct Spelling {
  std::string_view from, to;
};
// \frac and its kin become a group whose closing brace is followed by one that opens: see Reader::close.
constexpr Spelling kSpellings[] = {{"\\dfrac", "\\"},    {"\\tfrac", "\\"}, {"\\frac", "\\"},
                                   {"\\times", "*"},     {"\\cdot", "*"},   {"\\div", "/"},
                                   {"\\left", ""},       {"\\right", ""},   {"\\,", ""},
                                   {"\\!", ""},          {"$", ""},         {"\xC3\x97", "*"},
                                   {"\xC2\xB7", "*"},    {"\xC3\xB7", "/"}, {"\xE2\x8B\x85", "*"},
                                   {"\xE2\x88\x92", "-"}};

std::string with_plain_signs(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Spelling* found = nullptr;
    for (const Spelling& s : kSpellings)
      if (text.starts_with(s.from)) {
        found = &s;
        break;
      }
    if (found)
      out += found->to, text.remove_prefix(found->from.size());
    else
      out += text.front(), text.remove_prefix(1);
  }
  return out;
}

// Operators wait on a stack until one that binds less comes (E. W. Dijkstra's shunting yard). '~' is a sign of minus,
// '\\' the division of a \frac, which waits for its two groups.
int binding(char op) {
  switch (op) {
    case '+':
    case '-':
      return 1;
    case '*':
    case '/':
      return 2;
    case '~':
      return 3;
    case '^':
      return 4;
    default:
      return 0;  // a parenthesis, a \frac
  }
}

class Reader {
 public:
  explicit Reader(std::string text) : text_(std::move(text)) {}

  Evaluated read() {
    while (at_ < text_.size() && out_.reason.empty()) {
      const char c = text_[at_];
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        ++at_;
      } else if (wants_value_) {
        value(c);
      } else {
        operation(c);
      }
    }
    if (out_.reason.empty() && wants_value_) refuse("a number or ( is missing");
    while (out_.reason.empty() && !waiting_.empty()) {
      if (binding(waiting_.back()) == 0)
        refuse("a ( or \\frac is not finished");
      else
        apply();
    }
    if (out_.reason.empty()) out_.value = values_.back();
    return std::move(out_);
  }

 private:
  void refuse(std::string_view what) {
    if (out_.reason.empty()) out_.reason = fmt::format("column {}: {}", at_ + 1, what);
  }

  void value(char c) {
    if (c == '(' || c == '[' || c == '{' || c == '-' || c == '+' || c == '\\') {
      if (c == '\\') fractions_.push_back(waiting_.size());
      if (c != '+') waiting_.push_back(c == '-' ? '~' : c);
      ++at_;
      return;
    }
    size_t length = 0;
    const std::optional<Decimal> number = decimal_at(std::string_view(text_).substr(at_), length);
    if (!number) return refuse("a number or ( is missing");
    values_.push_back(number->value);
    out_.numbers.push_back(number->value);
    at_ += length;
    wants_value_ = false;
  }

  void operation(char c) {
    if (c == ')' || c == ']' || c == '}') return close(c);
    if (c == ':') c = '/';
    if (c == 'x' || c == 'X') c = '*';
    if (binding(c) == 0 || c == '~') return refuse("an operator is missing");
    // Of equal binding the left one goes first, but powers.
    while (!waiting_.empty() && out_.reason.empty() &&
           (binding(waiting_.back()) > binding(c) || (binding(waiting_.back()) == binding(c) && c != '^')))
      apply();
    waiting_.push_back(c);
    out_.operations += c;
    wants_value_ = true;
    ++at_;
  }

  void close(char c) {
    const char open = c == ')' ? '(' : c == ']' ? '[' : '{';
    while (!waiting_.empty() && binding(waiting_.back()) != 0 && out_.reason.empty()) apply();
    if (waiting_.empty() || waiting_.back() != open) return refuse("a ) has no (");
    waiting_.pop_back();
    ++at_;
    // The first group of a \frac is followed by its second, whose end divides.
    if (fractions_.empty() || fractions_.back() + 1 != waiting_.size() || waiting_.back() != '\\') {
      if (!fractions_.empty() && fractions_.back() + 1 == waiting_.size() && waiting_.back() == '|') {
        waiting_.back() = '/';
        fractions_.pop_back();
        apply();
      }
      return;
    }
    if (at_ >= text_.size() || text_[at_] != '{') return refuse("\\frac needs two groups in braces");
    waiting_.back() = '|';  // the bar: above it stands a value
    waiting_.push_back('{');
    wants_value_ = true;
    ++at_;
  }

  /// The last operator that waits, on the last values.
  void apply() {
    const char op = waiting_.back();
    waiting_.pop_back();
    std::optional<Rational> result;
    const Rational right = values_.back();
    values_.pop_back();
    if (op == '~') {
      result = Rational{-right.numerator, right.denominator};
    } else {
      const Rational left = values_.back();
      values_.pop_back();
      switch (op) {
        case '+':
          result = add(left, right);
          break;
        case '-':
          result = subtract(left, right);
          break;
        case '*':
          result = multiply(left, right);
          break;
        case '/':
          result = divide(left, right);
          break;
        default:
          if (right.denominator == 1) result = power(left, right.numerator);
      }
    }
    if (!result) refuse("a division by zero, an exponent that is not whole, or a number too large");
    values_.push_back(result.value_or(Rational{}));
  }

  std::string text_;
  size_t at_ = 0;
  bool wants_value_ = true;
  std::vector<Rational> values_;
  std::string waiting_;            // operators and open groups
  std::vector<size_t> fractions_;  // where \frac waits in them
  Evaluated out_;
};

}  // namespace

Evaluated evaluate_expression(std::string_view text) {
  if (text.size() > kMaxExpression) return {{}, {}, {}, fmt::format("longer than {} bytes", kMaxExpression)};
  return Reader(with_plain_signs(text)).read();
}

}  // namespace nuri::tasks
