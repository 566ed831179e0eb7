// nuri train --predict and nuri sft --predict: a run's memory and time before its first step.
#include "train/predict.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/machine.h"
#include "cli/training.h"
#include "cli/verbs.h"
#include "train/memory_plan.h"
#include "train/metrics.h"

namespace nuri {
namespace {

constexpr double kBudget = 3;  // seconds of measuring, unless three measurements take longer

}  // namespace

int predict_training(const TrainingOptions& o, const ResolvedRecipe& resolved, TrainSource& source) {
  const Recipe& r = resolved.recipe;
  const int64_t limit = std::min(o.memory.empty() ? INT64_MAX : parse_bytes(o.memory), memory_allowed());
  const MemoryPlan plan = require_memory(limit, resolved.model, r, program_resident());
  StepOptions step = r.step_options();
  step.recompute = plan.recompute;
  const StepPrediction p =
      predict_step(resolved.model, r.model_options(), step, r.optimizer_options(), r.batch_rows, kBudget);
  // A ramp's small steps cost about as much for each row as whole ones.
  const int64_t steps = total_steps(r, source), tokens = r.batch_ramp().seen_after(steps) * r.length;
  const double seconds = p.seconds * static_cast<double>(tokens) / static_cast<double>(r.batch_rows * r.length);
  const double flops = training_flops(resolved.model, std::vector<int64_t>{r.length}) * static_cast<double>(tokens) /
                       static_cast<double>(r.length);
  if (o.json) {
    fmt::print("{}", json_text(OrderedJson{{"steps", steps},
                                           {"tokens", tokens},
                                           {"flops", flops},
                                           {"step_seconds_predicted", p.seconds},
                                           {"seconds_predicted", seconds},
                                           {"tokens_per_s_predicted", static_cast<double>(tokens) / seconds},
                                           {"memory_planned_bytes", plan.total},
                                           {"measuring_seconds", p.measuring}}));
    return kExitOk;
  }
  fmt::print("memory planned (limit {}):\n{}", bytes_text(limit), plan_text(plan));
  fmt::print("predicted from {:.0f} s of steps of shorter models: {:.3g} s a step, {:.0f} tokens/s\n", p.measuring,
             p.seconds, static_cast<double>(tokens) / seconds);
  fmt::print("{} steps, {} tokens, {:.4g} FLOP: {} without validation, samples and checkpoints\n", steps, tokens, flops,
             duration_text(seconds));
  return kExitOk;
}

}  // namespace nuri
