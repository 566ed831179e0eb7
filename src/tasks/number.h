// Numbers as they are written: by people, by models, in files of tasks. All of them are read here, exactly.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tasks/rational.h"

namespace nuri::tasks {

/// A number and how it was written.
struct Decimal {
  Rational value;        ///< of a percentage the hundredth
  int places = 0;        ///< digits after the point; 0 of a fraction
  bool percent = false;  ///< "%" stood behind it
};

/// The number at the start of `plain` (plain_math.h): digits, which may be in groups of three with commas, a decimal
/// part, a power of ten ("2.2e+07"); no sign. `length`: bytes it takes, 0 where none stands there. No value where it
/// has more than 18 digits, before or after the point, once the power is worked in.
std::optional<Decimal> decimal_at(std::string_view plain, size_t& length);

/// The longest number at the start of `plain`, as decimal_at, or a fraction ("7/2", "\frac{7}{2}", "\frac72"), a mixed
/// number ("3 1/2", "3\frac12": the fraction is below 1), a power of ten ("2.2*10^7", "3 x 10^4"), each with "%" or
/// words that multiply (number_words.h) behind it. It stands in one line.
std::optional<Decimal> number_at(std::string_view plain, size_t& length);

/// The whole of `text`, in any spelling that plain_math knows: a number (number_at) behind a sign, in parentheses or
/// brackets of any kind, bold in Markdown, before a unit ("\text{cm}^2", "원") or a sentence's dot. In parentheses no
/// comma separates thousands: (1,234) may be two numbers.
std::optional<Decimal> parse_number(std::string_view text);

/// The last number in a text that is plain, with its sign: a minus directly before it and nothing that ends a number
/// before that, or before blanks and parentheses around it at the text's start or behind a sign such as = or :
/// ("x = - 3", "x = -(7/2)"). Empty where there is none, where it is part of a formula (a power, an index, a root,
/// \frac of something else, a factor of \pi), and where the text is a list of numbers: (1, 16).
std::string_view last_number(std::string_view plain);

/// What a text that ends in a number, or is one, says: parse_number of it, else of its last number.
std::optional<Decimal> number_in(std::string_view text);

/// A number, with its sign, and nothing but words or a unit behind it: 12 apples, 12개, 12 cm^2.
std::optional<Decimal> number_with_words(std::string_view text);

}  // namespace nuri::tasks
