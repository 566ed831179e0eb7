// The reference's number: where the reference has k decimal places (6.93) an answer with more (6.928) is rounded to k;
// of a percentage where it has places before the sign. What stands before the sign of a percentage is taken for it too,
// on either side: the answer to "what per cent?" is 50.
#include "base/error.h"
#include "tasks/expression.h"
#include "tasks/number.h"
#include "tasks/scorer.h"

namespace nuri::tasks {
namespace {

bool is_close(const std::optional<Decimal>& given, const std::optional<Decimal>& wanted) {
  if (!given || !wanted) return false;
  if (given->value == wanted->value) return true;
  const int whole = wanted->percent ? 2 : 0;  // the places of 65 %
  return given->places > wanted->places && wanted->places > whole &&
         rounded(given->value, wanted->places) == wanted->value;
}

/// What stands before the sign of a percentage; nothing where there is none.
std::optional<Decimal> before_sign(const Decimal& number) {
  const auto value = number.percent ? multiply(number.value, {100, 1}) : std::nullopt;
  return value ? std::optional(Decimal{*value, number.places - 2, false}) : std::nullopt;
}

}  // namespace

void check_number(const Problem& problem) {
  NURI_CHECK(parse_number(without_name(problem.answer)), "the reference '{}' is no number of at most 18 digits",
             shortened(problem.answer));
}

Score make_numeric(ScorerArguments&) {
  return [](const Scored& s) {
    const std::optional<Decimal> wanted = parse_number(without_name(s.problem.answer));
    const std::optional<Decimal> given = number_in(final_answer(s.response.answer));
    if (!wanted || !given) return 0.0;
    if (is_close(given, wanted) || is_close(before_sign(*given), wanted)) return 1.0;
    return !given->percent && is_close(given, before_sign(*wanted)) ? 1.0 : 0.0;
  };
}

}  // namespace nuri::tasks
