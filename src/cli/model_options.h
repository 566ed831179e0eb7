// Options that verbs with a model share.
#pragma once

#include <string>

#include "cli/arguments.h"
#include "models/load.h"
#include "ops/sampling.h"

namespace nuri {

struct ModelOptions {
  std::string directory, precision, form = "expanded";
  void add(Arguments args);
  /// Loads, and prints the notes to standard error.
  std::unique_ptr<DeepseekV3> load() const;
};

struct SamplingOptions {
  double temperature = 0.7, top_p = 1, min_p = 0;
  int64_t top_k = 0;
  uint64_t seed = 0;
  void add(Arguments args);
  SamplerOptions sampler() const;
};

}  // namespace nuri
