// The stages of `nuri demo`: each looks for its result first, so that a stopped demo goes on where it stood.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace nuri {

/// Of pre-training, the same number on every machine, so that all end with the same bits: what two cores with AVX2 do
/// in time.
inline constexpr int64_t kDemoSteps = 3000;

struct DemoOptions {
  std::string packages, out = "demo", recipe = "recipes/nano/recipe.toml", base, task;
  std::vector<std::string> text, settings, sft_settings, rl_settings, skip;
  bool quick = false, no_chat = false, json = false;
  double minutes = 0;
  /// Of the recipe of reinforcement learning, for evaluation as well.
  std::string reward, language = "both";
  int64_t answer_tokens = 0;
  bool skips(std::string_view stage) const;
};

/// Remembers base, task and language, so that a folder never mixes what belongs to others. Error: it was begun with
/// others.
void demo_keep_setup(const DemoOptions& o);

/// Error, before any stage runs: a skipped stage that is none, or whose result is not there and is needed.
void demo_check_skips(const DemoOptions& o);

/// A stage's heading.
void demo_stage(int number, const char* english, const char* korean);
/// Whether a run there has come to its end.
bool demo_finished(const std::filesystem::path& run);

/// Stages 1 to 4: a base model in `model`, its figures in `result`. Returns an exit code, as the others do.
int demo_base(const DemoOptions& o, const std::filesystem::path& model, OrderedJson& result);
/// Sets the finished base model beside counting, and says whether it ends as far below the trigram as the demo has to
/// on this kind of CPU (8 % with AVX-512, 5 % with AVX2), else why not. Into `result`: bits per byte of the n-grams,
/// and "trigram" with below_percent, bar_percent, level, reached, why_not. Nothing where shards or validation are
/// missing.
void demo_yardstick(const DemoOptions& o, const std::filesystem::path& shards, const std::filesystem::path& model,
                    OrderedJson& result);

/// The recipe NAME.toml beside the demo's; "" where there is none.
std::string demo_recipe(const DemoOptions& o, const char* name);

/// A model of the demo: its name ("base", "sft", "rl") and directory.
struct DemoModel {
  std::string name;
  std::filesystem::path dir;
};
/// Stages 5 and 6: fine-tuning on worked solutions, then rewards alone. What is skipped is among `models`, which begin
/// with the base, only where it is there and finished.
int demo_tune(const DemoOptions& o, std::vector<DemoModel>& models);
/// Stage 7: all of them answer the same held-out questions. Returns an exit code.
int demo_answers(const DemoOptions& o, const std::vector<DemoModel>& models);
/// Whether all of them have answered these questions with these weights.
bool demo_answered(const DemoOptions& o, const std::vector<DemoModel>& models);
/// Where a model's answers are (JSONL).
std::filesystem::path demo_answers_file(const DemoOptions& o, const DemoModel& model);
/// Stage 8: one page about the models, their answers beside each other, and what each took; some answers are printed as
/// well. Shares of right answers go into `result`. Returns the page's path.
std::filesystem::path demo_report(const DemoOptions& o, const std::vector<DemoModel>& models, OrderedJson& result);

}  // namespace nuri
