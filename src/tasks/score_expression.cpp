// An arithmetic expression that has the reference's value: 2*(3+4) for 14. What follows "=" is not part of it, but
// behind a name it is: x = 14.
#include "base/error.h"
#include "tasks/expression.h"
#include "tasks/scorer.h"

namespace nuri::tasks {

void check_expression(const Problem& problem) {
  const Evaluated value = number_or_expression(without_name(problem.answer));
  NURI_CHECK(value.value, "the reference '{}' is no expression with a value: {}", shortened(problem.answer),
             value.reason);
}

Score make_expression(ScorerArguments&) {
  return [](const Scored& s) {
    const std::string_view final = without_name(final_answer(s.response.answer));
    const Evaluated given = answered_value(final.substr(0, final.find('='))),
                    wanted = number_or_expression(without_name(s.problem.answer));
    return given.value && wanted.value && *given.value == *wanted.value ? 1.0 : 0.0;
  };
}

}  // namespace nuri::tasks
