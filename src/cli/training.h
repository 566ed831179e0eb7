// What the verbs that train have in common: train on shards, sft on chats.
#pragma once

#include <string>
#include <vector>

#include "cli/arguments.h"
#include "train/trainer.h"

namespace nuri {

struct TrainingOptions {
  std::string out, memory, init_from;
  std::vector<std::string> settings;
  bool resume = false, print_config = false, json = false, quiet = false;

  void add(Arguments& args);
  /// The settings, --init-from among them.
  std::vector<std::string> all_settings() const;
};

/// Keys of a recipe with defaults, units and meanings, for --help.
std::string recipe_keys_help();

/// Runs, prints the summary and how to continue a run that was stopped. Returns the exit code.
int run_training(const TrainingOptions& o, const ResolvedRecipe& recipe, TrainSource& source);

}  // namespace nuri
