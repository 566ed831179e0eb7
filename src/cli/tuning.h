// What comes after pre-training, as the verbs and the demo run it.
#pragma once

#include <string>

#include "cli/training.h"
#include "data/chats.h"

namespace nuri {

struct SftOptions {
  std::string recipe, tokenizer;
  data::ChatFiles files;
  TrainingOptions training;
};
/// Fine-tunes on chats. Prints the summary and how to continue a run that was stopped. Returns the exit code.
int run_sft(const SftOptions& options);

struct RlOptions {
  std::string recipe, tokenizer;
  TrainingOptions training;
};
/// Reinforcement learning, in the same way.
int run_rl(const RlOptions& options);

}  // namespace nuri
