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

/// +, -, * (also x between numbers, U+00D7, U+00B7, U+22C5), / (also U+00F7, ':'), ^ with a whole exponent of at most
/// 64, signs, parentheses (also [ ] and { }), numbers as decimal_at reads them; blanks anywhere between them. LaTeX's
/// \frac{a}{b}, \times, \cdot, \div, \left, \right and $ are read as what they print. ^ binds closest and to the right,
/// then signs, then * and /, then + and -.
Evaluated evaluate_expression(std::string_view text);

}  // namespace nuri::tasks
