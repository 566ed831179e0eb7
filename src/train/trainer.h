// A training run on rows of tokens: from shards or chats to a model directory, resumable at any instant with the same
// bits.
#pragma once

#include <cstdint>
#include <string>

#include "eval/evaluate.h"
#include "train/session.h"
#include "train/source.h"

namespace nuri {

struct TrainSummary : RunSummary {
  bool out_of_patience = false;  ///< ended before total_steps, since validation no longer fell
  int64_t published_step = 0;    ///< whose model is in the run's directory; 0: none
  double loss = 0;               ///< of the last step
  EvalResult eval_ema;           ///< the same of the average of the weights, where one is kept
  EvalResult eval;               ///< of all validation rows, at the end of a finished run; of the published model
};

/// Errors: those of recipe, data, memory, disk; another process in OUT; a finished run; a run there without --resume;
/// resuming with keys that change the bits.
TrainSummary train(const TrainOptions& options, TrainSource& source);

/// Steps of a run on these data.
int64_t total_steps(const Recipe& recipe, TrainSource& source);

}  // namespace nuri
