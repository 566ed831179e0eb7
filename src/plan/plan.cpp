#include "plan/plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "arch/counts.h"
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

/// The layout of a stage: the one given, or the fastest found.
StageResult plan_stage(const PlanRequest& r, const PlanStage& stage, const Constants& c) {
  StageResult out;
  out.stage = stage;
  out.job = job_of(r, stage);
  if (r.auto_layout) {
    Job whole = out.job;  // what no layout mends is said before the search
    whole.layout = Layout{};
    whole.batch_tokens = std::max(whole.batch_tokens, static_cast<double>(whole.seq_len) * whole.data_parallel());
    validate(whole);
    const SearchResult found = search(out.job, whole_space(out.job), c, r.runners_up + 1, r.memory_share);
    out.evaluated = found.evaluated;
    NURI_CHECK(!found.best.empty(),
               "plan: {}: none of {} layouts fits {} x {} ({} of memory each, {} tokens a step); take more devices, "
               "devices with more "
               "memory, shorter sequences or a larger batch",
               stage.name, found.evaluated, out.job.n_devices, out.job.device.name,
               fmt::format("{:.0f} GB", out.job.device.memory_gb), quantity_text(stage.batch_tokens));
    out.job.layout = found.best.front().layout;
    out.runners_up.assign(found.best.begin() + 1, found.best.end());
  }
  validate(out.job);
  out.cost = step_cost(out.job, c);
  out.step_seconds = out.cost.total();
  out.steps = std::max(1.0, std::ceil(stage.tokens / stage.batch_tokens - 1e-9));
  const auto devices = static_cast<double>(out.job.n_devices);
  out.tokens_per_s_device = tokens_per_s_per_device(out.job, out.cost);
  out.flops = flops_per_token(out.job) * stage.tokens;
  out.mfu = flops_per_token(out.job) * out.tokens_per_s_device / out.job.device.peak(Precision::bf16);
  out.device_hours = stage.tokens / out.tokens_per_s_device / 3600;
  out.days = out.device_hours / devices / 24;
  return out;
}

}  // namespace

double parse_quantity(const std::string& text, const std::string& where) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  const double factor = unit.empty()                 ? 1
                        : unit == "k" || unit == "K" ? 1e3
                        : unit == "M"                ? 1e6
                        : unit == "B" || unit == "G" ? 1e9
                        : unit == "T"                ? 1e12
                                                     : 0;
  NURI_CHECK(
      error == std::errc() && factor > 0 && std::isfinite(value) && value > 0 && value * factor < 1e18,
      "{}: found \"{}\"; a number above 0 is needed, for example 4096, 62.9M, 1.4T (k, M, B, T: powers of a thousand)",
      where, text.substr(0, 40));
  return value * factor;
}

std::string quantity_text(double value) {
  constexpr std::pair<double, const char*> kUnits[] = {{1e12, " T"}, {1e9, " B"}, {1e6, " M"}, {1e3, " k"}};
  for (const auto& [size, unit] : kUnits)
    if (value >= size) return fmt::format("{:.4g}{}", value / size, unit);
  return fmt::format("{:.4g}", value);
}

PlanStage parse_stage(const std::string& text) {
  const size_t equal = text.find('='), first = text.find(':', equal == std::string::npos ? 0 : equal);
  const size_t second = first == std::string::npos ? first : text.find(':', first + 1);
  NURI_CHECK(equal != std::string::npos && equal > 0 && second != std::string::npos,
             "--stage: found \"{}\"; NAME=TOKENS:SEQUENCE:BATCH is needed, for example \"context 32K=63B:32768:62.9M\"",
             text.substr(0, 60));
  PlanStage stage;
  stage.name = text.substr(0, equal);
  const std::string where = "--stage " + stage.name;
  stage.tokens = parse_quantity(text.substr(equal + 1, first - equal - 1), where + ": tokens");
  const double seq = parse_quantity(text.substr(first + 1, second - first - 1), where + ": sequence");
  NURI_CHECK(seq >= 1 && seq <= 1e8 && seq == std::floor(seq),
             "{}: sequences of {:.6g} tokens; a whole number from 1 to 100M is needed", where, seq);
  stage.seq_len = static_cast<int64_t>(seq);
  stage.batch_tokens = parse_quantity(text.substr(second + 1), where + ": batch");
  return stage;
}

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
