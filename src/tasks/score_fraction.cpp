// Exactly the reference's value, however the fraction is written.
#include "tasks/expression.h"
#include "tasks/number.h"
#include "tasks/scorer.h"

namespace nuri::tasks {

Score make_fraction(ScorerArguments&) {
  return [](const Scored& s) {
    const std::optional<Decimal> wanted = parse_number(without_name(s.problem.answer));
    if (!wanted) return 0.0;
    // (7)/(2), 7/-2: a quotient at most, so that a sum is no fraction.
    const Evaluated given = answered_value(without_name(final_answer(s.response.answer)));
    const bool fraction = given.operations.empty() || given.operations == "/";
    return given.value && fraction && given.numbers.size() <= 2 && *given.value == wanted->value ? 1.0 : 0.0;
  };
}

}  // namespace nuri::tasks
