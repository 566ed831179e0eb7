// Words behind a number: units, and words that multiply it. Texts are plain (plain_math.h).
#pragma once

#include <optional>
#include <string_view>

#include "tasks/rational.h"

namespace nuri::tasks {

/// Whether words behind a number multiply it: hundred, thousand, million, billion, trillion or dozen among them, or 십
/// 백 천 만 억 조 at their start.
bool multiplies(std::string_view words);

/// Whether words behind a number leave it what it is: none multiplies it, or makes it one of several; no digits but a
/// power at the end ("cm^2").
bool is_unit(std::string_view words);

/// The end of a unit from `at` on: "cm^2", "m/s^2", "\text{ cm}^2", "\text{ cm^2}", behind blanks; `at`: none is there,
/// or one letter directly behind the number, which is a factor.
size_t unit_from(std::string_view plain, size_t at);

/// `text` without a unit at its end: "\text{cm}^2", "원".
std::string_view without_unit(std::string_view text);

/// The end of the words from `at` on that multiply the number before them, `at` where there are none; the value is
/// multiplied, nothing where it grows too large: 3 "million", 3 "만", 3 "만 5천", 2 "천5백만", 1 "억 2,000만".
size_t multiplied_from(std::string_view plain, size_t at, std::optional<Rational>& value);

}  // namespace nuri::tasks
