// Countdown: an expression of the given numbers, each used at most once, that gives the target. "= target" may follow.
#include <algorithm>

#include "base/error.h"
#include "tasks/expression.h"
#include "tasks/scorer.h"

namespace nuri::tasks {

void check_countdown(const Problem& problem) {
  NURI_CHECK(!problem.numbers.empty() && problem.target, "Countdown needs numbers and a target");
}

Score make_countdown(ScorerArguments&) {
  return [](const Scored& s) {
    const std::string_view final = final_answer(s.response.answer);
    const Evaluated given = evaluate_expression(final.substr(0, final.find('=')));
    if (!given.value || !s.problem.target || *given.value != Rational{*s.problem.target, 1}) return 0.0;
    if (given.operations.find('^') != std::string::npos) return 0.0;  // the game knows + - * /
    std::vector<int64_t> left = s.problem.numbers;
    for (const Rational& number : given.numbers) {
      const auto found = number.denominator == 1 ? std::find(left.begin(), left.end(), number.numerator) : left.end();
      if (found == left.end()) return 0.0;
      left.erase(found);
    }
    return 1.0;
  };
}

}  // namespace nuri::tasks
