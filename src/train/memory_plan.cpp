#include "train/memory_plan.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/threads.h"
#include "infer/kv_pool.h"
#include "train/state.h"
#include "train/step.h"

namespace nuri {
namespace {

/// A lower bound of what the run needs, found quickly: activations grow at least linearly with the tokens of one
/// forward, so half of what so many rows would add is surely needed.
int64_t least_bytes(const DeepseekV3Config& config, const Recipe& recipe) {
  constexpr int64_t kProbeTokens = 1024;
  Recipe probe = recipe;
  probe.grad_shards = 1;
  probe.micro_rows = 0;
  probe.length = std::min(recipe.length, kProbeTokens);
  const auto activations = [&](int64_t rows) {
    probe.batch_rows = rows;
    return static_cast<double>(plan_memory(config, probe, {}).bytes[static_cast<size_t>(Owner::activations)]);
  };
  const double tokens = static_cast<double>(recipe.rows_of_a_forward()) * static_cast<double>(recipe.length);
  return static_cast<int64_t>(0.5 * (activations(2) - activations(1)) / static_cast<double>(probe.length) * tokens);
}

/// The gradients of the largest update of answers: two forwards of as many as there are at once.
StepResult policy_gradients(DeepseekV3& model, TrainStep& step, const Recipe& recipe) {
  const std::vector<int32_t> ids(static_cast<size_t>(recipe.length) + 1, 0);
  const std::vector<LearnedSequence> answers(static_cast<size_t>(recipe.rows_of_a_forward()), {ids, 1});
  StepResult result;
  result.layers.resize(static_cast<size_t>(model.n_blocks()));
  LossOptions loss;
  loss.choose = [](auto, auto, auto) {};
  LossSums sums;
  model.visit([](Weight& w) { w.restart_chains(); });
  for (int i = 0; i < 2; ++i) step.micro_batch(make_train_batch(answers), loss, sums, result);
  model.visit([](Weight& w) { w.finish_chains(); });
  return result;
}

/// What a run does with memory: two steps (the second finds the packed weights of the first, and goes on beside the
/// copy of a checkpoint), validation (its last, shorter micro-batch lies in the memory of the others; one below a
/// quarter of them takes blocks of its own, less than a quarter of a forward), and the cache of the samples.
void rehearse(const DeepseekV3Config& config, const Recipe& recipe, StepKind kind) {
  const DeepseekV3::Options options = recipe.model_options();
  DeepseekV3 model(config, options);
  Optimizer optimizer = make_optimizer(model, recipe.optimizer_options());
  TrainStep step(model, optimizer, recipe.step_options());
  // A third forward of a shard finds what the second one found: two of each show the peak of any number.
  const int64_t rows = recipe.grad_shards * std::min(recipe.batch_rows / recipe.grad_shards, 2 * recipe.rows_at_once());
  const size_t size = static_cast<size_t>(rows * (recipe.length + 1));
  const std::vector<int32_t> tokens(size, 0), documents(size, 0);
  Snapshot copy;
  for (int64_t s = 1; s <= 2; ++s) {
    StepResult result =
        kind == StepKind::policy ? policy_gradients(model, step, recipe) : step.gradients(tokens, documents, rows);
    step.apply(result, 0, s);
    if (s == 1)
      copy = take_snapshot(model, optimizer, {}, {}, {}, recipe.saves_copies() ? SnapshotOf::copies : SnapshotOf::live);
    if (!recipe.saves_copies()) copy = {};
  }
  // A forward of another size leaves blocks of its own: those that the steps of a ramp end with.
  std::set<int64_t> rest;
  for (const int64_t size : recipe.batch_ramp().sizes()) rest.insert(size / recipe.grad_shards % recipe.rows_at_once());
  for (const int64_t n : rest) {
    if (n == 0 || recipe.batch_rows_start == 0) continue;
    const size_t of_ids = static_cast<size_t>(recipe.grad_shards * n * (recipe.length + 1));
    const std::vector<int32_t> ids(of_ids, 0);
    StepResult result = step.gradients(ids, ids, recipe.grad_shards * n);
    step.apply(result, 0, 3);
  }
  const int64_t at_once = std::min(recipe.rows_at_once(), recipe.batch_rows);
  const std::span<const int32_t> ids = std::span(tokens).first(static_cast<size_t>(at_once * (recipe.length + 1)));
  (void)model.token_nll(make_train_batch(ids, ids, at_once, recipe.length, recipe.document_mask));
  if (recipe.sample_prompts.empty()) return;
  const int64_t prompts = 1 + std::count(recipe.sample_prompts.begin(), recipe.sample_prompts.end(), '|');
  const int64_t longest = static_cast<int64_t>(recipe.sample_prompts.size()) + 1 + recipe.sample_tokens;
  const int64_t pages = prompts * (longest / kKeyBlock + 1);
  (void)Tensor::empty({pages * KvPool::page_bytes(config, options.form, options.dtype)}, DType::u8, Owner::kv_cache);
}

}  // namespace

int64_t batch_bytes(const Recipe& recipe) { return recipe.batch_rows * (recipe.length + 1) * 8; }

Resident program_resident() {
  Resident now = resident_bytes();
  now.anonymous = std::max<int64_t>(0, now.anonymous - memory_held().now);
  return now;
}

MemoryPlan plan_memory(const DeepseekV3Config& config, const Recipe& recipe, const Resident& program, StepKind kind) {
  MemoryPlan plan;
  plan.recompute = recipe.recompute_kind();
  plan.saves_copies = recipe.saves_copies();
  plan.mapped = program.file;
  plan.program = program.anonymous + batch_bytes(recipe) + kBufferBytes;
  plan.stacks = thread_count() * kStackBytes;
  const MetaScope meta;
  rehearse(config, recipe, kind);
  const auto use = memory_use();
  for (size_t i = 0; i < use.size(); ++i) plan.bytes[i] = use[i].peak;
  plan.kept = memory_held().peak - memory_total().peak;
  plan.total = memory_held().peak + plan.stacks + plan.program;
  return plan;
}

std::string plan_text(const MemoryPlan& plan) {
  std::string out;
  auto line = [&](std::string_view what, int64_t bytes) {
    out += fmt::format("  {:<20} {:>12}\n", what, bytes_text(bytes));
  };
  for (size_t i = 0; i < plan.bytes.size(); ++i)
    if (plan.bytes[i] > 0) line(owner_name(static_cast<Owner>(i)), plan.bytes[i]);
  line("kept for reuse", plan.kept);
  line("thread stacks", plan.stacks);
  line("program", plan.program);
  line("in all (peak)", plan.total);
  line("mapped files besides", plan.mapped);
  if (plan.saves_copies) out += "  checkpoints are written while training goes on, from a copy (save = background)\n";
  if (plan.recompute == Recompute::selective)
    out += "  norms, SwiGLU and MLA's up-projections are made again in the backward (recompute = selective)\n";
  if (plan.recompute == Recompute::blocks)
    out += "  each layer's forward runs again in the backward: about a third more work (recompute = blocks)\n";
  return out;
}

int64_t parse_bytes(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  std::string unit(end ? end : "");
  std::erase(unit, ' ');
  std::transform(unit.begin(), unit.end(), unit.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  if (unit.ends_with("ib"))
    unit.resize(unit.size() - 2);
  else if (unit.ends_with("b"))
    unit.resize(unit.size() - 1);
  const std::string units = "kmgt";
  double factor = 1;
  const bool known = unit.empty() || (unit.size() == 1 && units.find(unit[0]) != std::string::npos);
  if (!unit.empty() && known)
    for (size_t i = 0; i <= units.find(unit[0]); ++i) factor *= 1024;
  NURI_CHECK(end != text.c_str() && known && std::isfinite(value) && value > 0 && value * factor < 9e18,
             "'{}' is not a size; write for instance 16G, 512M or a number of bytes", text);
  return static_cast<int64_t>(value * factor);
}

std::string bytes_text(int64_t bytes) {
  const double b = static_cast<double>(bytes);
  if (b >= 1 << 30) return fmt::format("{:.2f} GiB", b / (1 << 30));
  if (b >= 1 << 20) return fmt::format("{:.1f} MiB", b / (1 << 20));
  if (b >= 1 << 10) return fmt::format("{:.1f} KiB", b / (1 << 10));
  return fmt::format("{} B", bytes);
}

namespace {

/// The first plan that fits, or the last: with copies for saving, without; then with ever more recomputation.
MemoryPlan plan_that_fits(int64_t limit, const DeepseekV3Config& config, const Recipe& recipe, const Resident& program,
                          StepKind kind) {
  struct Choice {
    const char* recompute;
    const char* save;
  };
  MemoryPlan plan;
  for (const Choice& choice :
       {Choice{"none", "background"}, {"none", "foreground"}, {"selective", "foreground"}, {"blocks", "foreground"}}) {
    Recipe tried = recipe;
    if (recipe.recompute == "auto") tried.recompute = choice.recompute;
    if (recipe.save == "auto") tried.save = choice.save;
    if (plan.total > 0 && plan.recompute == tried.recompute_kind() && plan.saves_copies == tried.saves_copies())
      continue;  // the recipe's own choice: the same plan
    plan = plan_memory(config, tried, program, kind);
    if (plan.total <= limit) break;
  }
  return plan;
}

}  // namespace

MemoryPlan require_memory(int64_t limit, const DeepseekV3Config& config, const Recipe& recipe, const Resident& program,
                          StepKind kind) {
  // Recomputation and fewer rows of one forward need less memory and change no bit: where the recipe's do not fit, the
  // most rows that do are looked for.
  int64_t needed = 0;
  std::string table;
  for (int64_t rows = recipe.rows_of_a_forward(); rows >= 1; rows /= 2) {
    const bool as_asked = rows == recipe.rows_of_a_forward();
    Recipe tried = recipe;
    if (!as_asked) tried.micro_rows = rows;
    Recipe least_recipe = tried;
    if (tried.recompute == "auto") least_recipe.recompute = "blocks";
    const int64_t least = least_bytes(config, least_recipe);
    if (least > limit) {  // so much that counting it exactly would take long
      if (as_asked) needed = least;
      continue;
    }
    const MemoryPlan plan = plan_that_fits(limit, config, tried, program, kind);
    if (as_asked) {
      if (plan.total <= limit) return plan;
      needed = plan.total;
      table = "\n" + plan_text(plan);
    } else if (plan.total <= limit) {
      fail(
          "this run needs {}{} of memory, {} are allowed; with --set micro_rows={} it needs {} and gives the same "
          "bits{}",
          table.empty() ? "at least " : "", bytes_text(needed), bytes_text(limit), rows, bytes_text(plan.total), table);
    }
  }
  fail(
      "this run needs {}{} of memory, {} are allowed; not even one row at a time fits: use shorter rows (length), a "
      "smaller model, or a machine with more memory{}",
      table.empty() ? "at least " : "", bytes_text(needed), bytes_text(limit), table);
}

}  // namespace nuri
