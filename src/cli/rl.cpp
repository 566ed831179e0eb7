// nuri rl RECIPE --init-from MODEL --out DIR: a run of rl/run.h.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/training.h"
#include "cli/verbs.h"
#include "rl/loss.h"
#include "rl/run.h"

namespace nuri {
namespace {

struct Options {
  std::string recipe, tokenizer;
  TrainingOptions training;
};

// The rate is constant, as in R1; router biases and the balance stay as they are, and so does MTP. One form of MLA in
// sampler and trainer: absorbed, the cheaper one to decode with.
constexpr std::string_view kDefaults = R"(mla_form = "absorbed"
steps = 100
length = 256
lr = 3e-5
warmup_steps = 5
decay_fraction = 0.0
weight_decay = 0.0
balance_alpha = 0.0
bias_update_speed = 0.0
eval_every = 10
save_every = 10
sample_every = 10
)";
constexpr const char* kOrigin = "nuri rl";

/// The recipe over the defaults of the verb and of the loss that it names.
ResolvedRecipe load(const Options& o) {
  const std::vector<std::string> settings = o.training.all_settings();
  const ResolvedRecipe first = load_recipe(o.recipe, settings, {kDefaults, kOrigin, true, false});
  const std::string defaults = std::string(kDefaults) + std::string(rl::policy_loss_named(first.policy->loss).defaults);
  ResolvedRecipe recipe = load_recipe(o.recipe, settings, {defaults, kOrigin, true});
  NURI_CHECK(
      !recipe.init_from.empty(),
      "--init-from is missing: name the model directory to begin with, fine-tuned on chats (or the key init_from "
      "of the recipe)");
  if (!recipe.origin.contains("precision")) {
    recipe.recipe.precision = read_config(recipe.init_from / "config.json").dtype == "float32" ? "f32" : "bf16";
    recipe.origin["precision"] = kOrigin;
  }
  NURI_CHECK(recipe.recipe.length <= recipe.model.max_seq_len,
             "length = {} is more than the model's context of {} tokens; lower length", recipe.recipe.length,
             recipe.model.max_seq_len);
  return recipe;
}

std::string solved_text(const SolveRow& s) {
  return fmt::format("{:.1f} % ({:.1f} to {:.1f})", 100 * s.pass_1, 100 * s.low, 100 * s.high);
}

OrderedJson solved_json(const SolveRow& s) {
  return {{"problems", s.problems}, {"pass_1", s.pass_1}, {"low", s.low}, {"high", s.high}};
}

void print_summary(const rl::PolicySummary& s, const TrainingOptions& o) {
  if (o.json) {
    OrderedJson j = run_json(s);
    if (s.steps > 0) j["reward"] = s.reward, j["solved"] = s.solved;
    j["exhausted"] = s.exhausted;
    j["passed_over"] = s.passed_over;
    j["compared_tokens"] = s.compared_tokens;
    j["sampler_difference"] = s.sampler_difference;
    j["other_experts"] = s.other_experts;
    j["prompts_too_long"] = s.prompts_too_long;
    if (s.first) j["held_out_first"] = solved_json(*s.first);
    if (s.last) j["held_out"] = solved_json(*s.last);
    fmt::print("{}", json_text(j));
    return;
  }
  print_run(s);
  if (s.exhausted) fmt::print("ended early: every problem was always or never solved (drop_after)\n");
  if (s.steps == 0) return print_end(s, o);
  fmt::print(
      "reward {:.4f}, {:.1f} % of the last step's answers right; of {} tokens compared, sampler and trainer differ by "
      "{} at most, {} went to other experts\n",
      s.reward, 100 * s.solved, s.compared_tokens, s.sampler_difference, s.other_experts);
  if (s.prompts_too_long > 0) fmt::print("{} prompts were too long and not asked\n", s.prompts_too_long);
  if (s.last) fmt::print("held out: {}, then {} right\n", solved_text(*s.first), solved_text(*s.last));
  print_end(s, o);
}

int run(const Options& o) {
  const ResolvedRecipe recipe = load(o);
  if (o.training.print_config) {
    fmt::print("{}", recipe_text(recipe));
    return kExitOk;
  }
  NURI_CHECK(!o.training.out.empty(), "--out is missing: name the directory of the run");
  const rl::Prompts prompts(o.tokenizer.empty() ? recipe.init_from : fs::path(o.tokenizer), recipe,
                            fs::path(o.recipe).parent_path());
  for (const std::string& note : prompts.notes()) fmt::print(stderr, "note: {}\n", note);
  const TrainOptions options = run_options(o.training, recipe);
  try {
    const rl::PolicySummary summary = rl::run(options, prompts);
    print_summary(summary, o.training);
    if (!summary.exact())
      fmt::print(stderr,
                 "nuri: {}: sampler and trainer differ in a step that an earlier process made; `nuri report {}` shows "
                 "which. Run it again from a checkpoint before that step, or from the start\n",
                 o.training.out, shell_text({o.training.out}));
    const int code = exit_code(summary, o.training);
    return summary.exact() ? code : kExitInexact;
  } catch (const rl::SamplerDiffers& differs) {
    fmt::print(stderr, "nuri: {}\n", differs.what());
    return kExitInexact;
  }
}

std::string loss_help() {
  std::string text;
  for (const rl::PolicyLoss* loss : rl::policy_losses()) {
    std::string defaults(loss->defaults);
    std::replace(defaults.begin(), defaults.end(), '\n', ' ');
    text += fmt::format("  {}: {}; {}\n", loss->name, loss->means, defaults);
  }
  return text;
}

}  // namespace

Action add_rl(Arguments args) {
  auto o = std::make_shared<Options>();
  args.option("RECIPE", o->recipe, "recipe (TOML) over the defaults below; may be left out");
  args.option("--tokenizer", o->tokenizer, "tokenizer with a chat template (default: the model's own)");
  o->training.add(args);
  args.footer(fmt::format(
      "Answers are drawn in groups, scored by a program (`nuri tasks list` names problems and scorers), and "
      "what did better\n"
      "than its group becomes likelier. Ctrl-C finishes the step, saves and says how to continue (exit code "
      "130).\n"
      "Sampler and trainer agree in every bit; a step in which they do not is not made: all before it is saved, exit "
      "code 4.\n\nlosses and the keys they set:\n{}\nin place of the recipe's defaults:\n{}"
      "precision = as the model is stored\n\n{}{}"
      "example: nuri rl --init-from runs/sft --set tasks=arithmetic:2 --set steps=50 --out runs/rl",
      loss_help(), kDefaults, policy_keys_help(), recipe_keys_help()));
  return [o] { return run(*o); };
}

}  // namespace nuri
