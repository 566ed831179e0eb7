// The reference's number: where the reference has k decimal places (6.93) an answer with more (6.928) is rounded to k.
// What stands before the sign of a percentage is taken for it too, on either side: the answer to "what per cent?"
// is 50.
#include "base/error.h"
#include "tasks/number.h"
#include "tasks/scorer.h"

namespace nuri::tasks {
namespace {

bool is_close(const std::optional<Decimal>& given, const std::optional<Decimal>& wanted) {
  if (!given || !wanted) return false;
  if (given->value == wanted->value) return true;
  return given->places > wanted->places && wanted->places > 0 && rounded(given->value, wanted->places) == wanted->value;
}

/// What stands before the sign of a percentage; nothing where there is none.
std::optional<Decimal> before_sign(const Decimal& number) {
  const auto value = number.percent ? multiply(number.value, {100, 1}) : std::nullopt;
  return value ? std::optional(Decimal{*value, number.places - 2, false}) : std::nullopt;
}

}  // namespace

void check_number(const Problem& problem) {
  NURI_CHECK(parse_number(problem.answer), "the reference '{}' is no number of at most 18 digits",
             shortened(problem.answer));
}

Score make_numeric(ScorerArguments&) {
  return [](const Scored& s) {
    const std::optional<Decimal> wanted = parse_number(s.problem.answer);
    const std::optional<Decimal> given = number_in(final_answer(s.response.answer));
    if (!wanted || !given) return 0.0;
    if (is_close(given, wanted) || is_close(before_sign(*given), wanted)) return 1.0;
    return !given->percent && is_close(given, before_sign(*wanted)) ? 1.0 : 0.0;
  };
}

}  // namespace nuri::tasks
