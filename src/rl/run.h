// A run of reinforcement learning: prompts, answers of the policy, rewards, updates; resumable at any instant with the
// same bits. A step is one rollout and its updates; checkpoints lie between steps.
#pragma once

#include <optional>

#include "rl/prompts.h"
#include "train/session.h"

namespace nuri::rl {

struct PolicySummary : RunSummary {
  // Of the whole run, whichever processes made it:
  double reward = 0, solved = 0;        ///< of the last step (PolicyRow)
  int64_t compared_tokens = 0;          ///< the next two are of these
  double sampler_difference = 0;        ///< largest
  int64_t other_experts = 0;            ///< tokens
  std::optional<SolveRow> first, last;  ///< held-out problems, at the beginning of a run and at its end
  int64_t passed_over = 0;              ///< rows of its files that the reward cannot judge
  bool exhausted = false;               ///< ended before total_steps: drop_after left no problem
};

/// Errors: those of Session, and a loss or gradient norm that is no finite number.
PolicySummary run(const TrainOptions& options, const Prompts& prompts);

}  // namespace nuri::rl
