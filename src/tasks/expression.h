// Arithmetic expressions of generated text, evaluated exactly and without recursion: any bytes in, a value or a reason
// out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/rational.h"

namespace nuri::tasks {

struct Evaluated {
  std::optional<Rational> value;
  std::vector<Rational> numbers;  ///< written in the expression, in order, without signs
  std::string operations;         ///< that join numbers, in order: "+-*/^"; signs and \frac aside
  std::string reason;             ///< where there is no value: "column 5: a number or ( is missing"
};

/// Longer expressions have no value.
inline constexpr size_t kMaxExpression = 4096;

/// +, -, * (also x before a number or group), / (also ':'), ^ with a whole exponent of at most 64, signs, parentheses
/// (also [ ] and { }), numbers as decimal_at reads them, \frac{a}{b} and \frac12; blanks anywhere between them; all in
/// any spelling that plain_math knows. ^ binds closest and to the right, then signs, then * and /, then + and -.
Evaluated evaluate_expression(std::string_view text);

/// The value of a text that is one number (parse_number) or an expression. One number with a comma in parentheses has
/// none: (2,400) may be two.
Evaluated number_or_expression(std::string_view text);

/// The value of an answer: number_or_expression, or a number before words (number_with_words).
Evaluated answered_value(std::string_view text);

/// What stands behind the first "=" where one letter, which may have an index, stands before it (x = 4, x_{1} = 4),
/// else the text.
std::string_view without_name(std::string_view text);

}  // namespace nuri::tasks
