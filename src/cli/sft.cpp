// nuri sft [RECIPE] --init-from MODEL --chats FILE... --out DIR: a run of train/trainer.h on chats.
#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "cli/documents.h"
#include "cli/training.h"
#include "cli/verbs.h"
#include "train/memory_plan.h"

namespace nuri {
namespace {

struct Options {
  std::string recipe, tokenizer;
  data::ChatFiles files;
  TrainingOptions training;
};

// What differs from pre-training: few passes at a low rate that ends low (R1's own SFT: 2 to 3 epochs, cosine to a
// tenth), router biases left as they are (V3 does so at its end), and the model that validates best.
constexpr std::string_view kDefaults = R"(epochs = 3.0
batch_rows = 8
length = 512
schedule = "cosine"
lr = 1e-4
final_lr = 0.1
warmup_steps = 10
weight_decay = 0.0
mtp_weight = 0.1
bias_update_speed = 0.0
eval_rows = 0
publish = "best"
patience = 3
)";
constexpr const char* kOrigin = "nuri sft";

bool from_defaults(const ResolvedRecipe& recipe, const char* key) {
  const auto origin = recipe.origin.find(key);
  return origin == recipe.origin.end() || origin->second == kOrigin;
}

template <class Field, class Value>
void decide(ResolvedRecipe& recipe, const char* key, Field& field, const Value& value) {
  if (!from_defaults(recipe, key)) return;
  field = value;
  recipe.origin[key] = kOrigin;
}

/// What the model decides where the recipe does not: its precision and its context.
void follow_model(ResolvedRecipe& recipe) {
  Recipe& r = recipe.recipe;
  const bool f32 = read_config(recipe.init_from / "config.json").dtype == "float32";
  decide(recipe, "precision", r.precision, f32 ? "f32" : "bf16");
  decide(recipe, "length", r.length, std::min(r.length, recipe.model.max_seq_len));
}

/// What the data decide where the recipe does not: ten validations a run, and what is asked for samples.
void complete(ResolvedRecipe& recipe, TrainSource& source) {
  Recipe& r = recipe.recipe;
  const int64_t tenth = std::max<int64_t>(1, total_steps(r, source) / 10);
  decide(recipe, "eval_every", r.eval_every, tenth);
  decide(recipe, "save_every", r.save_every, tenth);
  decide(recipe, "sample_every", r.sample_every, tenth);
  std::string prompts;
  for (const std::string& question : source.questions(3))
    if (question.find('|') == std::string::npos) prompts += (prompts.empty() ? "" : "|") + question;
  decide(recipe, "sample_prompts", r.sample_prompts, prompts);
}

int run(const Options& o) {
  const std::vector<std::string> settings = o.training.all_settings();
  NURI_CHECK(!o.recipe.empty() || std::any_of(settings.begin(), settings.end(),
                                              [](const std::string& s) { return s.starts_with("init_from="); }),
             "--init-from is missing: name the model directory to fine-tune (or the key init_from of the recipe)");
  ResolvedRecipe recipe = load_recipe(o.recipe, settings, {kDefaults, kOrigin});
  NURI_CHECK(!recipe.init_from.empty(),
             "--init-from is missing: name the model directory to fine-tune (or the key init_from of the recipe)");
  follow_model(recipe);
  if (o.training.print_config) {
    fmt::print("{}", recipe_text(recipe));
    return kExitOk;
  }
  NURI_CHECK(!o.files.train.empty(), "--chats is missing: name JSONL files of chats");
  NURI_CHECK(!o.training.out.empty() || o.training.predict, "--out is missing: name the directory of the run");
  ProgressPrinter progress;
  const double begin = seconds_now();
  const std::unique_ptr<TrainSource> source =
      open_chats(o.files, o.tokenizer.empty() ? recipe.init_from : fs::path(o.tokenizer), recipe,
                 [&](uint64_t done, uint64_t all) {
                   const double share = static_cast<double>(std::max<uint64_t>(1, done)) / static_cast<double>(all);
                   progress.show(fmt::format("chats: {} of {}, ETA {:.0f} s", bytes_text(static_cast<int64_t>(done)),
                                             bytes_text(static_cast<int64_t>(all)),
                                             (seconds_now() - begin) * (1 - share) / share));
                 });
  progress.end();
  if (!o.training.quiet) fmt::print(stderr, "{}", source->text());
  complete(recipe, *source);
  return run_training(o.training, recipe, *source);
}

}  // namespace

Action add_sft(Arguments args) {
  auto o = std::make_shared<Options>();
  args.option("RECIPE", o->recipe, "recipe (TOML) over the defaults below; may be left out");
  args.option("--chats", o->files.train, "JSONL of chats: file, directory or pattern (may be repeated)")
      .one_value_each();
  args.option("--held-out", o->files.held_out, "the same to validate on (default: the share held_out_share of --chats)")
      .one_value_each();
  args.option("--tokenizer", o->tokenizer, "tokenizer with a chat template (default: the model's own)");
  o->training.add(args);
  o->training.add_predict(args);
  args.footer(fmt::format(
      "A row is {{\"messages\": [{{\"role\": \"user\", \"content\": ...}}, {{\"role\": \"assistant\", ...}}]}} or\n"
      "{{\"prompt\": ..., \"completion\": ...}}. Ctrl-C finishes the step, saves and says how to continue (exit code "
      "130).\n\nin place of the recipe's defaults:\n{}eval_every, save_every, sample_every = a tenth of the steps; "
      "length: at most the model's context\n"
      "precision = as the model is stored\n\n{}"
      "example: nuri sft --init-from runs/nano --chats chats.jsonl --out runs/sft",
      kDefaults, recipe_keys_help()));
  return [o] { return run(*o); };
}

}  // namespace nuri
