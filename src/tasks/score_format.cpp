// R1's form: reasoning in one closed block, then an answer; a generation cut off by the limit has none.
#include "tasks/scorer.h"

namespace nuri::tasks {

Score make_format(ScorerArguments&) {
  return [](const Scored& s) { return s.response.well_formed && s.generation.finished ? 1.0 : 0.0; };
}

}  // namespace nuri::tasks
