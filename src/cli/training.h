// What the verbs that train have in common: train on shards, sft on chats, rl on what the model itself answers.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "cli/arguments.h"
#include "train/trainer.h"

namespace nuri {

struct TrainingOptions {
  std::string out, memory, init_from;
  std::vector<std::string> settings;
  bool resume = false, print_config = false, json = false, quiet = false;
  // Of what learns from rows, train and sft:
  bool predict = false;
  std::string plan;  ///< file

  void add(Arguments& args);
  void add_predict(Arguments& args);
  /// The settings, --init-from among them.
  std::vector<std::string> all_settings() const;
};

/// Keys of a recipe with defaults, units and meanings, for --help; those that only `nuri rl` has.
std::string recipe_keys_help();
std::string policy_keys_help();

/// A run as these options say. Error: --out is missing.
TrainOptions run_options(const TrainingOptions& o, const ResolvedRecipe& recipe);
/// What every run says at its end: as JSON, as lines, and as the last line.
OrderedJson run_json(const RunSummary& s);
void print_run(const RunSummary& s);
void print_end(const RunSummary& s, const TrainingOptions& o);
/// Words as a shell reads them.
std::string shell_text(const std::vector<std::string>& words);
/// 0, or how to continue a run that was stopped and 130.
int exit_code(const RunSummary& s, const TrainingOptions& o);

/// --predict: what the run would take in memory and time, from steps of shorter models; writes nothing. Returns the
/// exit code.
int predict_training(const TrainingOptions& o, const ResolvedRecipe& recipe, TrainSource& source);
/// Runs, prints the summary and how to continue a run that was stopped; or predicts. Returns the exit code.
int run_training(const TrainingOptions& o, const ResolvedRecipe& recipe, TrainSource& source);

}  // namespace nuri
