// The gradient of one update of the policy: the trainer's forward over rollouts, each a row of its own, with weights of
// tokens by the loss; and the comparison with what the sampler said.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rl/loss.h"
#include "rl/rollout.h"
#include "train/step.h"

namespace nuri::rl {

/// What the trainer's forward said of tokens whose weights are those that sampled, against what the sampler said.
struct Comparison {
  int64_t tokens = 0;         ///< of answers, that were looked at
  double difference = 0;      ///< largest |log p of the trainer - of the sampler|; NaN where one is none
  int64_t other_experts = 0;  ///< tokens, prompts included, for which the trainer chose others in some layer

  void see(double trainer, double sampler);
  void add(const Comparison& other);
  /// Not a bit apart.
  bool exact() const { return difference == 0 && other_experts == 0; }
};

/// Of the answers of an update, by token where not said otherwise. Sums are in double, in (answer, token) order.
struct PolicyStats {
  double objective = 0;  ///< J (loss.h)
  double kl = 0;         ///< sum
  int64_t clipped = 0;   ///< tokens
  int64_t tokens = 0;    ///< that were looked at
  Comparison compared;   ///< where asked for
};

class PolicyStep {
 public:
  /// Keeps references to all of them; `step` is of the same model.
  PolicyStep(DeepseekV3& model, TrainStep& step, const PolicyLoss& loss, const Recipe& recipe,
             const PolicyRecipe& policy);

  /// As many of the longest answers as one forward has, to run once before the first step: ragged updates then find
  /// their memory.
  std::vector<Rollout> longest() const;
  /// Leaves the gradients of -J in the parameters (chains finished), as TrainStep::gradients does. Answers that pull
  /// nothing (no advantage, no reference) are left out of the forward. compare: the weights are those that sampled.
  StepResult gradients(std::span<Rollout* const> rollouts, bool compare, PolicyStats& stats);
  /// Whether gradients() takes the answer in.
  bool pulls(const Rollout& r) const { return r.advantage != 0 || clip_.beta > 0; }
  /// The trainer's forward alone, over answers of the weights that sampled.
  Comparison compare(std::span<Rollout* const> rollouts);

 private:
  struct Micro;
  void run(const Micro& micro, bool compare, PolicyStats& stats, StepResult& result);
  int64_t other_experts(const Micro& micro) const;

  DeepseekV3& model_;
  TrainStep& step_;
  const PolicyLoss& loss_;
  const Recipe& recipe_;
  const PolicyRecipe& policy_;
  ClipOptions clip_;
  UpdateShape update_;
  LossOptions options_;
};

/// Log-probabilities of the answers under another model, at the temperature: Rollout::reference.
void add_reference(DeepseekV3& reference, std::span<Rollout* const> rollouts, const Recipe& recipe,
                   const PolicyRecipe& policy);

}  // namespace nuri::rl
