// A run of reinforcement learning: prompts, answers of the policy, rewards, updates; resumable at any instant with the
// same bits. A step is one rollout and its updates; checkpoints lie between steps.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/error.h"
#include "rl/rollout.h"
#include "train/session.h"

namespace nuri::rl {

/// Sampler and trainer said different things of one answer. The step was not made, and all steps before it are saved.
class SamplerDiffers : public Error {
 public:
  using Error::Error;
};

struct PolicySummary : RunSummary {
  // Of the whole run, whichever processes made it:
  double reward = 0, solved = 0;        ///< of the last step (PolicyRow)
  int64_t compared_tokens = 0;          ///< the next two are of these
  double sampler_difference = 0;        ///< largest
  int64_t other_experts = 0;            ///< tokens
  std::optional<SolveRow> first, last;  ///< held-out problems, at the beginning of a run and at its end
  int64_t passed_over = 0;              ///< rows of its files that the reward cannot judge
  int64_t prompts_too_long = 0;         ///< that generators made and that left no room for an answer: not asked
  bool exhausted = false;               ///< ended before total_steps: drop_after left no problem

  /// The promise of every run: the same log-probabilities and experts in sampler and trainer, to the bit.
  bool exact() const { return sampler_difference == 0 && other_experts == 0; }
};

/// For tests: is given what a step drew before anything looks at it, and may change it.
using SeeDrawn = std::function<void(int64_t step, std::vector<Group>& groups)>;

/// Errors: those of Session, a loss or gradient norm that is no finite number, SamplerDiffers.
PolicySummary run(const TrainOptions& options, const Prompts& prompts, const SeeDrawn& see_drawn = {});

}  // namespace nuri::rl
