// DAPO's soft overlong punishment (2503.14476, formula 13), of L tokens:
//   0 where L <= max - soft;  ((max - soft) - L) / soft up to max;  -1 beyond
#include "tasks/scorer.h"

namespace nuri::tasks {

Score make_length(ScorerArguments& arguments) {
  const int64_t max = arguments.integer("max", 1, int64_t(1) << 40);
  const int64_t soft = arguments.integer("soft", 1, max);
  return [max, soft](const Scored& s) {
    const int64_t length = s.generation.tokens, free = max - soft;
    if (length <= free) return 0.0;
    return length <= max ? static_cast<double>(free - length) / static_cast<double>(soft) : -1.0;
  };
}

}  // namespace nuri::tasks
