// Answers of the policy to prompts, in groups, with all that the trainer compares: ids, log-probabilities, experts.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "eval/solve.h"
#include "infer/engine.h"
#include "rl/prompts.h"

namespace nuri::rl {

struct Rollout {
  std::vector<int32_t> ids;  ///< of the prompt, then of the answer
  int64_t n_prompt = 0;
  std::vector<float> log_p;      ///< of the answer's ids, as they were drawn: at the temperature, before truncation
  std::vector<float> reference;  ///< the same of the reference, where there is one
  std::vector<int32_t> experts;  ///< chosen for each id but the last: EngineReply::experts
  Answer answer;
  double advantage = 0;
  int64_t n_answer() const { return static_cast<int64_t>(ids.size()) - n_prompt; }
};

/// The answers to one prompt.
struct Group {
  uint64_t number = 0;  ///< of the problem in its sequence
  tasks::Problem problem;
  std::vector<Rollout> rollouts;
  std::vector<double> rewards() const;
};

/// Of a run's engines: for as many of the longest answers as decode together, of a rollout or of validation; so both
/// find the same memory.
int64_t cache_tokens(const ResolvedRecipe& recipe);
int64_t cache_bytes(const ResolvedRecipe& recipe);

class Sampler {
 public:
  /// Keeps references to all of them.
  Sampler(DeepseekV3& model, const Prompts& prompts, const ResolvedRecipe& recipe)
      : model_(model), prompts_(prompts), recipe_(recipe) {}
  /// Answers to the problems with these numbers: draws are keyed by the recipe's seed, the number of the problem and of
  /// the answer. `progress` is told how many answers have ended.
  std::vector<Group> sample(const std::vector<uint64_t>& numbers, const std::function<void(int64_t)>& progress = {});

 private:
  DeepseekV3& model_;
  const Prompts& prompts_;
  const ResolvedRecipe& recipe_;
};

}  // namespace nuri::rl
