// nuri eval MODEL --choices FILE.
#pragma once

#include <cstdint>
#include <string>

#include "cli/model_options.h"

namespace nuri {

struct ChoiceOptions {
  std::string file, out, against, contamination, report;
  int64_t count = 0;  ///< questions; 0: all
  bool json = false;
};

/// Returns the exit code.
int eval_choices(const ModelOptions& model, const ChoiceOptions& o);

}  // namespace nuri
