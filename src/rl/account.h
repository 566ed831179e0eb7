// What a step of reinforcement learning drew and did, counted for the log.
#pragma once

#include <cstdint>
#include <vector>

#include "rl/loss.h"
#include "rl/policy_step.h"
#include "rl/rollout.h"
#include "train/metrics.h"

namespace nuri::rl {

/// The groups of a step, and sums over all answers, those of groups that were replaced included.
struct Drawn {
  std::vector<Group> groups;      ///< to learn from, with advantages
  std::vector<Rollout> replaced;  ///< of each group that was replaced one answer, to be compared
  int64_t step = 0;               ///< turns the choice of answers that are compared for themselves
  int64_t prompts = 0, answers = 0, answer_tokens = 0, equal_groups = 0;
  int64_t too_long = 0;  ///< prompts that were passed over
  double reward = 0, solved = 0, finished = 0, log_p = 0;
  std::vector<double> scores;                    ///< of the reward's parts
  std::vector<int64_t> prompt_lengths, lengths;  ///< of each group's prompt; of each answer with its prompt

  /// replace: a group whose rewards are all equal is counted, and not kept.
  void add(Group group, const PolicyLoss& loss, bool replace);
};

/// The updates of a step: norms are those of the last.
class Updates {
 public:
  explicit Updates(DeepseekV3& model);
  void add(const StepResult& result, const PolicyStats& stats);
  /// Answers that no update looked at with the weights that sampled.
  void add(const Comparison& apart) { stats_.compared.add(apart); }
  const StepResult& sum() const { return sum_; }
  const PolicyStats& stats() const { return stats_; }
  /// Forward and backward of the trainer, without MTP.
  double training_flops() const;

 private:
  DeepseekV3& model_;
  StepResult sum_;
  PolicyStats stats_;
  int64_t n_ = 0;
};

/// Without step and times.
PolicyRow policy_row(const Drawn& drawn, const Updates& updates, const tasks::Reward& reward);

/// Each prompt read once, each answer behind it; with_reference: and a forward of the reference over what is kept.
double rollout_flops(const DeepseekV3Config& config, const Drawn& drawn, bool with_reference);
/// One forward over each of these.
double comparison_flops(const DeepseekV3Config& config, const std::vector<Rollout*>& rollouts);

/// The answers of groups [first, end).
std::vector<Rollout*> rollouts_of(std::vector<Group>& groups, size_t first, size_t end);

/// What is compared beside the first update, whose answers are those of groups [0, first): one answer of each group of
/// which that looks at none, another one in each step. With what the update looks at, every group of a step is
/// compared.
std::vector<Rollout*> compared_apart(Drawn& drawn, size_t first, const PolicyStep& policy_step);

/// The best and the worst answer of the first group that has two different rewards, or one of the first group.
std::vector<SampleRow> samples_of(const std::vector<Group>& groups, int64_t step);

/// Answers to held-out problems as a row of the log.
SolveRow solve_row(const std::vector<tasks::Problem>& problems, const std::vector<std::vector<Answer>>& answers,
                   int64_t step);

}  // namespace nuri::rl
