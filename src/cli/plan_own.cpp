#include "cli/plan_own.h"

#include <algorithm>

#include "arch/counts.h"
#include "base/error.h"
#include "base/machine.h"
#include "base/threads.h"
#include "cli/machine.h"
#include "ledger/ledger.h"
#include "train/memory_plan.h"
#include "train/predict.h"

namespace nuri {
namespace {

constexpr const char* kLeftOut =
    "without validation, samples and checkpoints; energy is 8 W a thread, cooling not counted";
constexpr const char* kLeftOutKo =
    "검증, 표본, 체크포인트는 빠져 있다. 전력량은 스레드당 8 W로 보며 냉각은 세지 않는다";
constexpr double kBudget = 3;  // seconds of measuring, unless three measurements take longer

int64_t steps_of(const Recipe& r, double tokens) {
  if (tokens <= 0 && r.steps > 0) return r.steps;
  const double wanted = tokens > 0 ? tokens : static_cast<double>(r.tokens);
  NURI_CHECK(wanted > 0,
             "--tokens is missing: this recipe counts epochs, and a plan knows no data (or set steps or tokens in the "
             "recipe)");
  return std::max<int64_t>(1, r.batch_ramp().steps_within(static_cast<int64_t>(wanted) / r.length));
}

plan::DeviceMemory memory_of(const MemoryPlan& m) {
  const auto of = [&](Owner owner) { return static_cast<double>(m.bytes[static_cast<size_t>(owner)]); };
  plan::DeviceMemory out;
  out.weights = of(Owner::weights) + of(Owner::packed_weights);
  out.gradients = of(Owner::gradients);
  out.optimizer = of(Owner::optimizer);
  out.activations = of(Owner::activations);
  out.workspace = static_cast<double>(m.total) - out.weights - out.gradients - out.optimizer - out.activations;
  return out;
}

}  // namespace

plan::Plan own_plan(const std::string& recipe, const std::vector<std::string>& settings, double tokens,
                    const plan::Prices& prices) {
  const ResolvedRecipe resolved = load_recipe(recipe, settings);
  const Recipe& r = resolved.recipe;
  const int64_t steps = steps_of(r, tokens);
  const MemoryPlan memory = require_memory(memory_allowed(), resolved.model, r, program_resident());
  StepOptions step = r.step_options();
  step.recompute = memory.recompute;
  const StepPrediction p =
      predict_step(resolved.model, r.model_options(), step, r.optimizer_options(), r.batch_rows, kBudget);
  const double peak = product_peak(compute_peaks(), r.precision_kind() == Precision::bf16) * 1e9;
  const auto batch = static_cast<double>(r.batch_rows * r.length);

  plan::Plan out;
  plan::PlanRequest& request = out.request;
  request.model = recipe;
  request.job.shape = shape_of(resolved.model);
  request.job.n_devices = 1;
  request.job.seq_len = r.length;
  request.job.batch_tokens = batch;
  request.job.precision = r.precision_kind() == Precision::bf16 ? plan::Precision::bf16 : plan::Precision::fp32;
  request.job.layout.micro_batch = r.micro_rows > 0 ? r.micro_rows : r.batch_rows;
  request.job.layout.zero = 0;
  plan::Device& device = request.job.device;
  device.name = fmt::format("{} (this machine, {} threads)", cpu_model(), thread_count());
  device.bf16 = device.fp32 = peak * 1e-12;
  device.memory_gb = 1e-9 * static_cast<double>(memory_allowed());
  device.watts = kWattsOfThread * thread_count();
  request.prices = prices;

  plan::StageResult s;
  s.job = request.job;
  s.stage.name = "training";
  s.stage.tokens = static_cast<double>(r.batch_ramp().seen_after(steps) * r.length);
  s.stage.seq_len = r.length;
  s.stage.batch_tokens = batch;
  s.steps = static_cast<double>(steps);
  s.step_seconds = p.seconds;
  s.tokens_per_s_device = batch / p.seconds;
  s.flops =
      training_flops(resolved.model, std::vector<int64_t>{r.length}) * s.stage.tokens / static_cast<double>(r.length);
  s.device_hours = s.stage.tokens / s.tokens_per_s_device / 3600;
  s.days = s.device_hours / 24;
  s.mfu = s.flops / (s.device_hours * 3600) / peak;
  out.memory = memory_of(memory);
  out.goodput = 1;
  out.device_hours = s.device_hours;
  out.days = s.days;
  out.flops = s.flops;
  out.energy_mwh = s.device_hours * device.watts * 1e-6;
  out.rent_usd = prices.rent_usd;
  out.money.rent = prices.rent_usd * s.device_hours;
  out.money.power = out.energy_mwh * 1000 * prices.usd_per_kwh;
  out.money.failed = prices.failed_share * out.money.rent;
  out.stages.push_back(std::move(s));
  out.warnings.emplace_back(kLeftOut, kLeftOutKo);
  return out;
}

}  // namespace nuri
