// The time of a training step, predicted before the first one from steps of shorter models of the same widths: layers
// of a kind take equal times, so that two lengths give the time of one layer and of all that is not a layer.
#pragma once

#include "models/deepseek_v3.h"
#include "optim/optimizer.h"
#include "train/step.h"

namespace nuri {

struct StepPrediction {
  double seconds = 0;    ///< of a step
  double measuring = 0;  ///< seconds that the prediction took
};

/// Of `rows` rows a step, of which step.micro_rows run at once; measures for about `budget` seconds, or for as long as
/// three measurements of each length take. Memory: that of a model with at most four layers, given
/// back to the cache of blocks. Weights are random and the tokens are; no bit of a run depends on it.
StepPrediction predict_step(const DeepseekV3Config& config, const DeepseekV3::Options& model, const StepOptions& step,
                            const OptimizerOptions& optimizer, int64_t rows, double budget);

}  // namespace nuri
