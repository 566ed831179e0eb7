#include "tasks/expression.h"

#include <fmt/format.h>

#include <algorithm>

#include "tasks/lookup.h"
#include "tasks/number.h"
#include "tasks/plain_math.h"

namespace nuri::tasks {
namespace {

constexpr std::string_view kFrac = "\\frac";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

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
    if (c == '\\') return fraction();
    if (c == '(' || c == '[' || c == '{' || c == '-' || c == '+') {
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

  /// \frac, and what stands above its bar where that is one digit; a group is read as groups are.
  void fraction() {
    if (!std::string_view(text_).substr(at_).starts_with(kFrac)) return refuse("a number or ( is missing");
    fractions_.push_back(waiting_.size());
    waiting_.push_back('\\');
    at_ += kFrac.size();
    if (one_digit()) return above_is_read();
    if (at_ >= text_.size() || text_[at_] != '{') refuse("\\frac needs two groups in braces, or digits");
  }

  /// A digit that is a group of its own (\frac12 is a half), read as a value.
  bool one_digit() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    if (at_ >= text_.size() || !is_digit(text_[at_])) return false;
    values_.push_back({text_[at_++] - '0', 1});
    out_.numbers.push_back(values_.back());
    return true;
  }

  void above_is_read() {
    waiting_.back() = '|';  // the bar: above it stands a value
    wants_value_ = true;
    if (one_digit()) return below_is_read();
    if (at_ >= text_.size() || text_[at_] != '{') return refuse("\\frac needs two groups in braces, or digits");
    waiting_.push_back('{');
    ++at_;
  }

  void below_is_read() {
    waiting_.back() = '/';
    fractions_.pop_back();
    wants_value_ = false;
    apply();
  }

  void operation(char c) {
    if (c == ')' || c == ']' || c == '}') return close(c);
    if (c == ':') c = '/';
    if ((c == 'x' || c == 'X') && value_behind()) c = '*';
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

  /// Whether a number or a group stands behind this sign: 2 x 3; 2x + 3 holds a variable.
  bool value_behind() const {
    const size_t next = text_.find_first_not_of(" \t\n\r", at_ + 1);
    return next < text_.size() && (is_digit(text_[next]) || std::string_view(".([{\\").find(text_[next]) < 5);
  }

  void close(char c) {
    const char open = c == ')' ? '(' : c == ']' ? '[' : '{';
    while (!waiting_.empty() && binding(waiting_.back()) != 0 && out_.reason.empty()) apply();
    if (waiting_.empty() || waiting_.back() != open) return refuse("a ) has no (");
    waiting_.pop_back();
    ++at_;
    if (fractions_.empty() || fractions_.back() + 1 != waiting_.size()) return;
    if (waiting_.back() == '\\')
      above_is_read();
    else if (waiting_.back() == '|')
      below_is_read();
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
  return Reader(plain_math(text)).read();
}

Evaluated number_or_expression(std::string_view text) {
  if (const auto number = parse_number(text)) return {number->value, {number->value}, {}, {}};
  Evaluated out = evaluate_expression(text);
  const bool enclosed = text.size() <= kMaxExpression && plain_math(text).find_first_of("([") != std::string::npos;
  if (out.numbers.size() == 1 && enclosed && text.find(',') != std::string_view::npos)
    return {{}, {}, {}, "(1,234) may be two numbers"};
  return out;
}

Evaluated answered_value(std::string_view text) {
  Evaluated out = number_or_expression(text);
  if (out.value) return out;
  if (const auto number = number_with_words(text)) return {number->value, {number->value}, {}, {}};
  return out;
}

std::string_view without_name(std::string_view text) {
  constexpr size_t kLongestName = 16;
  const size_t equals = text.substr(0, kLongestName).find('=');
  if (equals == std::string_view::npos) return text;
  const std::string plain = plain_math(text.substr(0, equals));
  std::string_view name = trimmed(plain);
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (name.empty() || !is_letter(name[0])) return text;
  name = trimmed(name.substr(1));
  if (name.starts_with('_')) {
    name = trimmed(name.substr(1));
    if (name.starts_with('{') && name.ends_with('}')) name = name.substr(1, name.size() - 2);
    if (!name.empty() && std::all_of(name.begin(), name.end(), [&](char c) { return is_letter(c) || is_digit(c); }))
      name = {};
    else
      return text;
  }
  return name.empty() ? text.substr(equals + 1) : text;
}

}  // namespace nuri::tasks
