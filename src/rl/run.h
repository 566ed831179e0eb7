// A run of reinforcement learning: prompts, answers of the policy, rewards, updates; resumable at any instant with the
// same bits. A step is one rollout and its updates; checkpoints lie between steps.
#pragma once

#include <optional>

#include "eval/solve.h"
#include "rl/prompts.h"
#include "train/session.h"

namespace nuri::rl {

struct PolicySummary : RunSummary {
  double reward = 0, solved = 0;      ///< of the last step (PolicyRow)
  double sampler_difference = 0;      ///< largest of this process
  int64_t other_experts = 0;          ///< of this process
  std::optional<Solved> first, last;  ///< held-out problems, at the beginning of a run and at its end
};

/// Errors: those of Session, and a loss or gradient norm that is no finite number.
PolicySummary run(const TrainOptions& options, const Prompts& prompts);

}  // namespace nuri::rl
