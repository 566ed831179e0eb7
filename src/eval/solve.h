// A model answers problems; a program scores what it wrote.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "eval/statistics.h"
#include "infer/engine.h"
#include "tasks/scorer.h"
#include "text/tokenizer.h"

namespace nuri {

struct SolveOptions {
  int64_t samples = 1;  ///< answers to each problem
  SamplerOptions sampler;
  int64_t max_tokens = 256;
  int64_t sequences = 64;    ///< decoding together; no bit depends on it
  int64_t cache_tokens = 0;  ///< 0: what they need
};

struct Answer {
  std::string text;  ///< as it follows the prompt, without special tokens
  int64_t tokens = 0;
  bool finished = true;
  double reward = 0;
  std::vector<double> scores;  ///< of the reward's parts
  /// The reward's first scorer gives 1.
  bool right() const { return scores[0] >= 1; }
};

/// What an engine's reply to a problem is as an answer.
Answer answer_of(const EngineReply& reply, const Tokenizer& tokenizer, const tasks::Problem& problem,
                 const tasks::Reward& reward);

/// Answers to each problem, as a chat whose only message it is. Draws are keyed by the problem's place and the answer's
/// number. `progress` is told how many answers have ended. Errors: no chat template, a prompt longer than the context.
std::vector<std::vector<Answer>> solve(DeepseekV3& model, const Tokenizer& tokenizer,
                                       const std::vector<tasks::Problem>& problems, const tasks::Reward& reward,
                                       const SolveOptions& options,
                                       const std::function<void(int64_t answers)>& progress = {});

/// What the answers to some problems come to.
struct Solved {
  int64_t problems = 0, samples = 0;
  double pass_1 = 0;            ///< share of right answers
  Interval interval;            ///< of pass_1, by the number of problems
  std::vector<double> pass_at;  ///< at 1, 2, 4, ..., up to samples
  double majority = 0;          ///< share of problems whose most frequent final answer is right; the first of equals
  double reward = 0, tokens = 0, finished = 0;  ///< means over answers
};
/// `chosen`: indices of the problems to count, at least one.
Solved summarise(const std::vector<std::vector<Answer>>& answers, const std::vector<size_t>& chosen);

}  // namespace nuri
