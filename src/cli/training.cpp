#include "cli/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/machine.h"
#include "cli/verbs.h"
#include "train/metrics.h"

namespace nuri {
namespace {

OrderedJson eval_json(const EvalResult& eval) {
  OrderedJson j;
  j["bits_per_byte"] = eval.all.bits_per_byte();
  for (const auto& [name, bits] : eval.by_source) j["by_source"][name] = bits.bits_per_byte();
  for (const auto& [name, bits] : eval.by_language) j["by_language"][name] = bits.bits_per_byte();
  return j;
}

/// The command line of this process with --resume, for a shell to run again.
std::string continue_command() {
  std::vector<std::string> words = command_line();
  if (std::find(words.begin(), words.end(), "--resume") == words.end()) words.push_back("--resume");
  return shell_text(words);
}

void print_summary(const TrainSummary& s, const TrainingOptions& o) {
  if (o.json) {
    OrderedJson j = run_json(s);
    j["out_of_patience"] = s.out_of_patience;
    j["published_step"] = s.published_step;
    j["loss"] = s.loss;
    j["validation"] = eval_json(s.eval);
    if (s.eval_ema.all.bytes > 0) j["validation_ema"] = eval_json(s.eval_ema);
    fmt::print("{}", json_text(j));
    return;
  }
  print_run(s);
  if (s.out_of_patience) fmt::print("ended early: validation no longer fell (patience)\n");
  if (s.published_step > 0 && s.published_step < s.steps)
    fmt::print("{} holds the model of step {}, the best one (publish = best)\n", o.out, s.published_step);
  if (s.eval.all.bytes > 0) fmt::print("validation: {:.4f} bits per byte\n", s.eval.all.bits_per_byte());
  if (s.eval_ema.all.bytes > 0)
    fmt::print("validation of the average of the weights ({}): {:.4f} bits per byte\n",
               (fs::path(o.out) / "ema").string(), s.eval_ema.all.bits_per_byte());
  print_end(s, o);
}

/// Of --predict --json or of `nuri plan train --json`.
PlannedRun read_planned(const std::string& file) {
  const Json json = read_json_file(file);
  const JsonObject plan(json, file);
  PlannedRun out;
  if (plan.has("seconds_predicted")) {
    out.tokens = plan.number("tokens", 1, 1e18);
    out.flops = plan.number("flops", 1, 1e30);
    out.seconds = plan.number("seconds_predicted", 0, 1e12);
    return out;
  }
  NURI_CHECK(
      plan.has("days") && plan.has("energy_mwh") && plan.has("usd") && plan.has("stages"),
      "--plan: {}: this is no plan; `nuri train ... --predict --json` and `nuri plan train ... --json` write one",
      file);
  NURI_CHECK(json.at("stages").is_array(), "--plan: {}: stages: found {}; a list is needed", file,
             json_kind(json.at("stages")));
  NURI_CHECK(plan.text("hardware").find("(this machine") != std::string::npos,
             "--plan: {}: the plan is of {}; give one of this machine (`nuri plan train ... --hardware this --json`)",
             file, plan.text("hardware"));
  for (const Json& stage : json.at("stages")) {
    const JsonObject part(stage, file + ": stages");
    out.tokens += part.number("tokens", 1, 1e18);
    out.flops += part.number("flops", 1, 1e30);
  }
  NURI_CHECK(out.tokens > 0, "--plan: {}: the plan has no stages", file);
  out.seconds = plan.number("days", 0, 1e9) * 86400;
  out.energy_wh = plan.number("energy_mwh", 0, 1e12) * 1e6;
  const JsonObject usd = plan.object("usd");
  if (usd.given("rent")) out.usd = usd.number("rent", 0, 1e18);
  return out;
}

template <class Keys>
std::string keys_help(std::string text) {
  const Keys defaults;
  Keys::visit(defaults, [&](const RecipeField& f, const auto& value) {
    text += fmt::format("  {} = {}; {}{}{}\n", f.key, value, f.unit, f.unit.empty() ? "" : "; ", f.meaning);
  });
  return text;
}

}  // namespace

OrderedJson run_json(const RunSummary& s) {
  OrderedJson j;
  j["outcome"] = s.outcome;
  j["steps"] = s.steps;
  j["total_steps"] = s.total_steps;
  j["tokens"] = s.tokens;
  j["flops"] = s.flops;
  j["seconds"] = s.seconds;
  j["tokens_per_s"] = s.tokens_per_s > 0 ? OrderedJson(s.tokens_per_s) : OrderedJson(nullptr);  // no step was made
  j["mfu"] = s.mfu > 0 ? OrderedJson(s.mfu) : OrderedJson(nullptr);  // --quiet measures no peak
  j["memory_planned_bytes"] = s.memory_planned;
  j["memory_anonymous_bytes"] = s.memory_anonymous;
  j["memory_peak_bytes"] = s.memory_peak;
  j["saves"] = s.saves;
  j["longest_stall_seconds"] = s.longest_stall;
  j["last_save_seconds"] = s.last_save;
  j["weights_hash"] = s.weights_hash;
  for (const auto& [name, n] : s.data) j["data"][name] = n;
  return j;
}

void print_run(const RunSummary& s) {
  fmt::print("{} after {} of {} steps, {} tokens, {:.4g} FLOP, {}\n", s.outcome, s.steps, s.total_steps, s.tokens,
             s.flops, duration_text(s.seconds));
  fmt::print("{}{}memory planned {}, measured {} (with mapped files {})\n",
             s.tokens_per_s > 0 ? fmt::format("{:.0f} tokens/s (median), ", s.tokens_per_s) : "",
             s.mfu > 0 ? fmt::format("MFU {:.1f} %, ", 100 * s.mfu) : "", bytes_text(s.memory_planned),
             bytes_text(s.memory_anonymous), bytes_text(s.memory_peak));
}

void print_end(const RunSummary& s, const TrainingOptions& o) {
  fmt::print("weights hash {}; report: {}\n", s.weights_hash, (fs::path(o.out) / "report.html").string());
}

std::string shell_text(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
      return std::isalnum(c) || std::string_view("-_=./,:@%+").find(static_cast<char>(c)) != std::string_view::npos;
    });
    text += text.empty() ? "" : " ";
    if (!plain) text += '\'';
    for (char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    if (!plain) text += '\'';
  }
  return text;
}

void TrainingOptions::add(Arguments& args) {
  args.option("--out", out, "directory of the run; a model directory at the end");
  args.option("--init-from", init_from, "model directory whose weights the run begins with (the key init_from)");
  args.option("--set", settings, "key=value, over the recipe's (may be repeated)").one_value_each();
  args.flag("--resume", resume, "continue the run in --out to the same bits");
  args.option("--memory", memory, "refuse to start if the plan needs more (16G; default: what is allowed)");
  args.flag("--print-config", print_config, "print the resolved recipe with units and origins, and stop");
  args.flag("--json", json, "print the summary as JSON");
  args.flag("--quiet", quiet, "no progress; warnings stay");
}

void TrainingOptions::add_predict(Arguments& args) {
  args.flag("--predict", predict,
            "measure this machine for some seconds, say what memory and time the run will take, and stop");
  args.option("--plan", plan,
              "JSON of a plan made beforehand (--predict --json, or `nuri plan train --hardware this --json`): the "
              "ledger sets it beside what the run took");
}

std::vector<std::string> TrainingOptions::all_settings() const {
  std::vector<std::string> all = settings;
  // Absolute: the key is relative to the recipe, the option to where it is typed.
  if (!init_from.empty()) all.push_back("init_from=" + fs::absolute(init_from).lexically_normal().string());
  return all;
}

std::string recipe_keys_help() { return keys_help<Recipe>("keys of a recipe (key = default; unit; meaning):\n"); }

std::string policy_keys_help() {
  return keys_help<PolicyRecipe>("keys of reinforcement learning (key = default; unit; meaning):\n");
}

TrainOptions run_options(const TrainingOptions& o, const ResolvedRecipe& recipe) {
  NURI_CHECK(!o.out.empty(), "--out is missing: name the directory of the run");
  TrainOptions t;
  t.recipe = recipe;
  t.out = o.out;
  t.resume = o.resume;
  if (!o.memory.empty()) t.memory_limit = parse_bytes(o.memory);
  if (!o.quiet) t.peak_gflops = measured_peak(recipe.recipe.precision_kind() == Precision::bf16);
  if (!o.plan.empty()) t.planned = read_planned(o.plan);
  t.level = active_level_text();
  t.command = command_line();
  t.quiet = o.quiet;
  return t;
}

int exit_code(const RunSummary& s, const TrainingOptions& o) {
  if (s.outcome != "stopped") return kExitOk;
  fmt::print(o.json ? stderr : stdout, "continue with: {}\n", continue_command());
  return kExitInterrupted;
}

int run_training(const TrainingOptions& o, const ResolvedRecipe& recipe, TrainSource& source) {
  NURI_CHECK(!o.predict || o.plan.empty(), "--predict makes a plan and runs nothing; leave out --plan");
  if (o.predict) return predict_training(o, recipe, source);
  const TrainSummary s = train(run_options(o, recipe), source);
  print_summary(s, o);
  return exit_code(s, o);
}

}  // namespace nuri
