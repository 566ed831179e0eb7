#include "plan/plan.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "plan/plan_names.h"

namespace nuri::plan {
namespace {

/// Of the time of a run, what failures take: half an interval between checkpoints, the restart, the checkpoints.
struct Failures {
  double lost = 0, interval = 0, between = 0;  // share; hours
};
Failures failures_of(const PlanAssumptions& a, double devices) {
  Failures f;
  f.between = a.hours_between_failures / devices;
  const double stall = a.checkpoint_seconds / 3600;
  f.interval = std::sqrt(2 * stall * f.between);  // the cheapest (Young, 1974)
  f.lost = std::min(0.95, stall / f.interval + f.interval / 2 / f.between + a.restart_minutes / 60 / f.between);
  return f;
}

constexpr double kUsualDevices =
    2048;  // of the runs, with the usual failures, that the constant `goodput` was fitted to

Job job_of(const PlanRequest& r, const PlanStage& stage) {
  Job job = r.job;
  job.seq_len = stage.seq_len;
  job.batch_tokens = stage.batch_tokens;
  return job;
}

/// As it will be: a ramp that outlasts the stage ends with it, at the batch reached by then.
PlanStage reached(PlanStage stage) {
  Ramp& ramp = stage.ramp;
  if (!ramp.any()) return stage;
  NURI_CHECK(ramp.first <= stage.batch_tokens,
             "plan: {}: the ramp begins with {:.0f} tokens a step, above the batch of {:.0f} that it grows to; begin "
             "with that or less",
             stage.name, ramp.first, stage.batch_tokens);
  if (ramp.first == stage.batch_tokens) ramp = {};
  if (ramp.tokens > stage.tokens) {
    stage.batch_tokens = ramp.first + (stage.batch_tokens - ramp.first) * stage.tokens / ramp.tokens;
    ramp.tokens = stage.tokens;
  }
  return stage;
}

/// The fastest layout of the full batch, of those that work from the first step on.
void find_layout(const PlanRequest& r, const Constants& c, StageResult& out) {
  Job whole = out.job;  // what no layout mends is said before the search
  whole.layout = Layout{};
  whole.batch_tokens = std::max(whole.batch_tokens, static_cast<double>(whole.seq_len) * whole.data_parallel());
  validate(whole);
  SearchSpace space = whole_space(out.job);
  space.least_batch = out.stage.ramp.first;
  const SearchResult found = search(out.job, space, c, r.runners_up + 1, r.memory_share);
  out.evaluated = found.evaluated;
  if (out.stage.ramp.any()) {
    space.least_batch = 0;
    const SearchResult any = search(out.job, space, c, 1, r.memory_share);
    if (!any.best.empty()) {
      out.job.layout = any.best.front().layout;
      const double least = out.job.least_batch();
      NURI_CHECK(!found.best.empty(),
                 "plan: {}: no layout that fits works with the ramp's first batch of {:.0f} tokens; the fastest for "
                 "the full batch ({}) needs {:.0f}: begin there, or take fewer devices",
                 out.stage.name, out.stage.ramp.first, layout_text(out.job.layout), least);
      if (least > out.stage.ramp.first) out.ruled_out = RuledOut{any.best.front(), least};
    }
  }
  NURI_CHECK(!found.best.empty(),
             "plan: {}: none of {} layouts fits {} x {} ({} of memory each, {} tokens a step); take more devices, "
             "devices with more "
             "memory, shorter sequences or a larger batch",
             out.stage.name, found.evaluated, out.job.n_devices, out.job.device.name,
             fmt::format("{:.0f} GB", out.job.device.memory_gb), quantity_text(out.stage.batch_tokens));
  out.job.layout = found.best.front().layout;
  out.runners_up.assign(found.best.begin() + 1, found.best.end());
}

/// The layout of a stage: the one given, or the fastest found.
StageResult plan_stage(const PlanRequest& r, const PlanStage& given, const Constants& c) {
  StageResult out;
  out.stage = reached(given);
  const PlanStage& stage = out.stage;
  out.job = job_of(r, stage);
  if (r.auto_layout) find_layout(r, c, out);
  validate(out.job);
  const double least = out.job.least_batch();
  NURI_CHECK(!stage.ramp.any() || stage.ramp.first >= least * (1 - 1e-9),
             "plan: {}: the ramp begins with {:.0f} tokens a step; this layout ({}; {:.0f} replicas) needs at least "
             "{:.0f}: begin there, or take a layout with fewer replicas, smaller micro-batches or 1f1b",
             stage.name, stage.ramp.first, layout_text(out.job.layout), out.job.data_parallel(), least);
  out.cost = step_cost(out.job, c);
  out.step_seconds = out.cost.total();
  const auto devices = static_cast<double>(out.job.n_devices);
  out.tokens_per_s_device = tokens_per_s_per_device(out.job, out.cost);
  double full = stage.tokens;  // of the full batch
  if (stage.ramp.any()) {
    out.ramp = ramp_time(out.job, stage.ramp, c);
    full -= stage.ramp.tokens;
    out.device_hours = out.ramp->device_hours + full / out.tokens_per_s_device / 3600;
    out.tokens_per_s_device = stage.tokens / out.device_hours / 3600;
  } else {
    out.device_hours = stage.tokens / out.tokens_per_s_device / 3600;
  }
  out.steps = std::max(1.0, std::ceil((out.ramp ? out.ramp->steps : 0) + full / stage.batch_tokens - 1e-9));
  out.flops = flops_per_token(out.job) * stage.tokens;
  out.mfu = flops_per_token(out.job) * out.tokens_per_s_device / out.job.device.peak(Precision::bf16);
  out.days = out.device_hours / devices / 24;
  return out;
}

}  // namespace

Plan make_plan(const PlanRequest& request) {
  NURI_ASSERT(!request.stages.empty());
  const Constants& c = fitted_constants();
  Plan plan;
  plan.request = request;
  const auto devices = static_cast<double>(request.job.n_devices);
  const Failures failures = failures_of(request.assumed, devices),
                 usual = failures_of(PlanAssumptions{}, kUsualDevices);
  plan.goodput = c[Constant::goodput] * (1 - failures.lost) / (1 - usual.lost);
  plan.goodput = std::min(plan.goodput, 1 - failures.lost);
  plan.checkpoint_minutes = failures.interval * 60;
  for (const PlanStage& stage : request.stages) {
    StageResult s = plan_stage(request, stage, c);
    s.device_hours /= plan.goodput;
    s.days /= plan.goodput;
    if (s.ramp) {
      s.ramp->device_hours /= plan.goodput;
      s.ramp->days /= plan.goodput;
    }
    plan.device_hours += s.device_hours;
    plan.days += s.days;
    plan.flops += s.flops;
    plan.stages.push_back(std::move(s));
  }
  for (const StageResult& s : plan.stages)
    if (const DeviceMemory m = device_memory(s.job); m.total() > plan.memory.total()) plan.memory = m;
  plan.failures = plan.days * 24 / failures.between;
  const Device& d = request.job.device;
  const PlanAssumptions& a = request.assumed;
  const Prices& p = request.prices;
  plan.energy_mwh = plan.device_hours * d.watts * a.power_share * (1 + a.host_share) * a.pue * 1e-6;
  const double low = d.rent_low > 0 ? d.rent_low : d.rent_high, high = d.rent_high > 0 ? d.rent_high : low;
  plan.rent_usd = p.rent_usd > 0 ? p.rent_usd : std::sqrt(low * high);
  Money& m = plan.money;
  m.rent = plan.device_hours * plan.rent_usd;
  const double bought = p.buy_usd > 0 ? p.buy_usd : d.price_usd;
  m.purchase = bought / (p.years * 365.25 * 24 * p.use) * plan.device_hours;
  m.power = plan.energy_mwh * 1000 * p.usd_per_kwh;
  m.staff = p.staff_usd_month * plan.days / 30.44;
  m.failed = p.failed_share * (m.rent > 0 ? m.rent : m.purchase);
  plan.warnings = warnings_of(plan);
  return plan;
}

}  // namespace nuri::plan
