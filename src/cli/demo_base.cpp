// The first stages of the demo: text, tokenizer, shards, pre-training. Each is passed over where its result is there.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/demo.h"
#include "cli/demo_text.h"
#include "cli/documents.h"
#include "cli/machine.h"
#include "cli/made.h"
#include "cli/verbs.h"
#include "data/build.h"
#include "data/facts.h"
#include "data/loader.h"
#include "ledger/run_record.h"
#include "models/deepseek_v3.h"
#include "text/tokenizer_train.h"
#include "train/metrics.h"
#include "train/trainer.h"

namespace nuri {
namespace {

/// Facts beside about 5 MB of manuals: enough to be learned, few enough to leave the manuals their share.
constexpr int64_t kFactRows = 12000;
constexpr double kValidation = 0.05;
constexpr int64_t kQuickSteps = 240;
/// Manuals repeat their notices on every page: each line counts once.
constexpr int64_t kRepeatedLineCharacters = 1;

std::vector<std::string> make_sources(const DemoOptions& o) {
  const bool told = !o.skips("text");
  if (told) demo_stage(1, "text", "텍스트");
  std::vector<std::string> sources = o.text, missing;
  if (sources.empty() && !o.packages.empty()) sources = manual_sources(o.packages, missing);
  const fs::path facts = fs::path(o.out) / "facts.jsonl";
  sources.push_back(facts.string() + "::name=facts,markers=true,licence=generated");
  if (!told) return sources;
  for (const std::string& package : missing) fmt::print("  not here: {} (the text is made without it)\n", package);
  if (sources.size() == 1) fmt::print("  no manuals and no --text: training on generated facts alone\n");
  if (!fs::exists(facts)) data::write_fact_rows(facts, 1, kFactRows);
  for (const std::string& s : sources) fmt::print("  {}\n", s);
  return sources;
}

void tokenizer_stage(const DemoOptions& o, const std::vector<std::string>& sources, int64_t vocab_size) {
  demo_stage(2, "tokenizer", "토크나이저");
  const fs::path dir = fs::path(o.out) / "tokenizer";
  if (fs::exists(dir / "tokenizer_config.json")) {
    fmt::print("  {} is there\n", dir.string());
    return;
  }
  TokenizerTrainOptions options;
  options.vocab_size = static_cast<int32_t>(vocab_size);
  SourceDocuments documents(sources, kRepeatedLineCharacters);
  const double begin = seconds_now();
  const TokenizerTrainReport r = make_tokenizer(
      sources, [&](std::string& text) { return documents.next(text); }, options, dir);
  fmt::print("  {} documents, {:.2f} MB: {} ids, {} learned, {:.1f} s\n", r.documents,
             static_cast<double>(r.bytes) / 1e6, r.vocab_size, r.learned, seconds_now() - begin);
}

fs::path shards_stage(const DemoOptions& o, const std::vector<std::string>& sources) {
  demo_stage(3, "shards", "샤드");
  data::BuildOptions b;
  for (const std::string& s : sources) b.sources.push_back(data::parse_source(s));
  b.tokenizer = fs::path(o.out) / "tokenizer";
  b.out = fs::path(o.out) / "data";
  b.validation = kValidation;
  b.repeated_line_characters = kRepeatedLineCharacters;
  b.overwrite = true;
  if (data::is_up_to_date(b)) {
    fmt::print("  {} is there\n", b.out.string());
    return b.out;
  }
  ProgressPrinter progress;
  const data::Manifest m = make_shards(sources, b, [&](const data::BuildProgress& p) {
    progress.show(fmt::format("  {} documents, {} tokens", p.documents, p.tokens));
  });
  progress.end();
  for (const data::SourceReport& s : m.sources) {
    const data::Amount t = s.total(data::Split::train), v = s.total(data::Split::validation);
    fmt::print(
        "  {:<12} train {} tokens, {:.2f} MB; held out {} tokens, {:.2f} MB; {} duplicates and {} repeated lines "
        "dropped\n",
        s.source.name, t.tokens, static_cast<double>(t.text_bytes) / 1e6, v.tokens,
        static_cast<double>(v.text_bytes) / 1e6, s.duplicates, s.repeated_lines);
  }
  return b.out;
}

/// Of a step, from a few trial steps.
double seconds_per_step(ResolvedRecipe recipe, const fs::path& shards) {
  recipe.recipe.steps = 12;
  recipe.recipe.eval_every = recipe.recipe.sample_every = recipe.recipe.save_every = 0;
  recipe.recipe.sample_prompts.clear();
  recipe.recipe.eval_rows = 1;
  const data::Dataset dataset = data::Dataset::open(shards, false);
  data::LoaderOptions loader_options;
  loader_options.length = recipe.recipe.length;
  const data::Loader loader(dataset, loader_options);
  DeepseekV3 model(recipe.model, {.dtype = recipe.recipe.precision_kind() == Precision::bf16 ? DType::bf16 : DType::f32,
                                  .trainable = true,
                                  .form = recipe.recipe.form()});
  model.initialise(0);
  Optimizer optimizer = make_optimizer(model, recipe.recipe.optimizer_options());
  TrainStep step(model, optimizer, recipe.recipe.step_options());
  std::vector<double> times;
  for (int64_t i = 0; i < recipe.recipe.steps; ++i) {
    const double begin = seconds_now();
    const data::Batch batch =
        loader.rows(static_cast<uint64_t>(i * recipe.recipe.batch_rows), recipe.recipe.batch_rows);
    StepResult r = step.gradients(batch.tokens, batch.documents, recipe.recipe.batch_rows);
    step.apply(r, 1e-4, i + 1);
    times.push_back(seconds_now() - begin);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2] * 1.03;
}

/// Twenty minutes in all with AVX-512, thirty with less, but a third of the usual steps at least, which would take
/// `full` minutes. Fine-tuning takes about 0.3 of that, rewards 0.6 and answers 0.1 (on a Zen 5 and a Zen 3).
double minutes_of_pretraining(const DemoOptions& o, double full) {
  const double whole = active_level_text().starts_with("avx512") ? 20 : 30;
  const double after = (o.skips("sft") ? 0 : 0.3) + (o.skips("rl") ? 0 : 0.6) + (o.skips("eval") ? 0 : 0.1);
  return std::max(whole - after * full, full / 3);
}

int64_t read_steps(const fs::path& file) {
  const std::string text = read_file(file, 64);
  int64_t steps = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), steps);
  NURI_CHECK(error == std::errc() && *end == '\n' && steps > 0,
             "{}: a number of steps and a line end are needed; remove the file and the run beside it to begin again",
             file.string());
  return steps;
}

TrainSummary run_training(const DemoOptions& o, const fs::path& shards, const fs::path& run_dir) {
  demo_stage(4, "pre-training", "사전 학습");
  ResolvedRecipe recipe = load_recipe(o.recipe, o.settings);
  const fs::path plan = fs::path(o.out) / "steps";
  if (!recipe.origin.contains("steps") || recipe.origin["steps"].empty()) {
    if (!fs::exists(plan)) {  // measured once per run: a resumed run keeps its length
      const int64_t usual = o.quick ? kQuickSteps : kDemoSteps;
      const double step_minutes = seconds_per_step(recipe, shards) / 60;
      const double full = step_minutes * static_cast<double>(usual);
      const double minutes = o.minutes > 0 ? o.minutes : o.quick ? 2.0 : minutes_of_pretraining(o, full);
      const auto fitting = std::max<int64_t>(20, static_cast<int64_t>(minutes / step_minutes));
      const bool slow = o.minutes <= 0 && fitting < usual;
      if (slow)
        fmt::print(
            "  this machine does about {} steps in {:.0f} minutes, fewer than the usual {}: the schedule is fitted to "
            "that (--set steps={} for all of them), and the final hash will be another one than elsewhere\n",
            fitting, minutes, usual, usual);
      recipe.recipe.steps = o.minutes > 0 || slow ? fitting : usual;
      write_file_atomic(plan, std::to_string(recipe.recipe.steps) + "\n");
    }
    recipe.recipe.steps = read_steps(plan);
    recipe.origin["steps"] = "the demo's";
  }
  TrainOptions t;
  t.recipe = recipe;
  t.out = run_dir;
  t.resume = true;
  t.peak_gflops = measured_peak(recipe.recipe.precision_kind() == Precision::bf16);
  t.level = active_level_text();
  t.command = command_line();
  return train(t, *open_shards(shards, recipe));
}

OrderedJson print_summary(const TrainSummary& s) {
  fmt::print("  held-out text: {} tokens, {} bytes; bits per byte {:.4f}\n", s.eval.all.tokens, s.eval.all.bytes,
             s.eval.all.bits_per_byte());
  for (const auto& [name, b] : s.eval.by_source) fmt::print("    {:<14} {:.4f}\n", name, b.bits_per_byte());
  fmt::print("  {} tokens, {:.4g} FLOP, {}, {:.0f} tokens/s, MFU {:.1f} % of the measured peak\n", s.tokens, s.flops,
             duration_text(s.seconds), s.tokens_per_s, 100 * s.mfu);
  fmt::print("  memory planned {}, measured {} (with mapped files {})\n", bytes_text(s.memory_planned),
             bytes_text(s.memory_anonymous), bytes_text(s.memory_peak));
  fmt::print("  hash of the final weights: {} (equal on every x86-64 CPU for the same number of steps)\n",
             s.weights_hash);
  return {{"bits_per_byte", s.eval.all.bits_per_byte()},
          {"steps", s.steps},
          {"tokens", s.tokens},
          {"flops", s.flops},
          {"seconds", s.seconds},
          {"tokens_per_s", s.tokens_per_s},
          {"mfu", s.mfu},
          {"memory_planned_bytes", s.memory_planned},
          {"memory_anonymous_bytes", s.memory_anonymous},
          {"memory_peak_bytes", s.memory_peak},
          {"weights_hash", s.weights_hash}};
}

}  // namespace

int demo_base(const DemoOptions& o, const fs::path& model, OrderedJson& result) {
  const ResolvedRecipe recipe = load_recipe(o.recipe, o.settings);
  std::vector<std::string> sources;
  if (!o.skips("text") || !o.skips("tokenizer") || !o.skips("shards")) sources = make_sources(o);
  if (!o.skips("tokenizer")) tokenizer_stage(o, sources, recipe.model.vocab_size);
  const fs::path shards = o.skips("shards") ? fs::path(o.out) / "data" : shards_stage(o, sources);
  if (demo_finished(model)) {
    demo_stage(4, "pre-training", "사전 학습");
    fmt::print("  {} is finished (remove it to train again)\n", model.string());
    const RunRecord record = read_run_record(model / "run.json");
    for (const auto& [name, value] : record.results) result[name] = value;
    result["weights_hash"] = record.hashes.contains("weights") ? record.hashes.at("weights") : "";
  } else {
    const TrainSummary s = run_training(o, shards, model);
    if (s.outcome == "stopped") return kExitInterrupted;
    result = print_summary(s);
  }
  demo_yardstick(o, shards, model, result);
  fmt::print("  report: {}\n", (model / "report.html").string());
  return kExitOk;
}

}  // namespace nuri
