// The reference's number: where the reference has k decimal places (6.93) an answer with more (6.928) is rounded to k.
// A percentage is also taken for what stands before its sign: a reference of "what per cent?" is 50.
#include "base/error.h"
#include "tasks/rational.h"
#include "tasks/scorer.h"

namespace nuri::tasks {

void check_number(const Problem& problem) {
  NURI_CHECK(parse_number(problem.answer), "problem {}: the reference '{}' is no number of at most 18 digits",
             problem.id, problem.answer);
}

Score make_numeric(ScorerArguments&) {
  return [](const Scored& s) {
    const std::optional<Decimal> wanted = parse_number(s.problem.answer);
    if (!wanted) return 0.0;
    const auto is_wanted = [&](const std::optional<Decimal>& given) {
      if (!given || given->value == wanted->value) return given.has_value();
      return given->places > wanted->places && wanted->places > 0 &&
             rounded(given->value, wanted->places) == wanted->value;
    };
    const std::string_view final = final_answer(s.response.answer);
    std::optional<Decimal> given = parse_number(final);
    if (!given) given = parse_number(last_number(final));  // "12 apples", "$12", "12개"
    if (is_wanted(given)) return 1.0;
    return final.ends_with('%') && is_wanted(parse_number(final.substr(0, final.size() - 1))) ? 1.0 : 0.0;
  };
}

}  // namespace nuri::tasks
