// What a plan looks like as text.
#include <fmt/format.h>

#include <algorithm>

#include "plan/plan_names.h"
#include "plan/ranking.h"

namespace nuri::plan {
namespace {

std::string money_text(double usd, double won) {
  return fmt::format("{:>14} USD  {:>18} KRW", usd < 1000 ? fmt::format("{:.2f}", usd) : fmt::format("{:.0f}", usd),
                     fmt::format("{:.0f}", usd * won));
}

constexpr int64_t kDrawnMicros = 24, kMostSlots = 20'000, kColumns = 110;

std::string bytes_of(double bytes) {
  return bytes >= 1e9 ? fmt::format("{:.1f} GB", bytes * 1e-9) : fmt::format("{:.0f} MB", bytes * 1e-6);
}

}  // namespace

std::string time_text(double days) {
  if (days >= 2) return fmt::format("{:.1f} days", days);
  const double minutes = days * 24 * 60;
  return minutes >= 120 ? fmt::format("{:.1f} hours", minutes / 60) : fmt::format("{:.1f} min", minutes);
}

std::string energy_text(double mwh) {
  if (mwh >= 1) return fmt::format("{:.4g} MWh", mwh);
  return mwh >= 1e-3 ? fmt::format("{:.4g} kWh", mwh * 1e3) : fmt::format("{:.3g} Wh", mwh * 1e6);
}

std::string plan_text(const Plan& plan) {
  const PlanRequest& r = plan.request;
  std::string out = fmt::format("{} on {} x {}, {} (all figures predicted)\n", r.model, r.job.n_devices,
                                r.job.device.name, precision_name(r.job.precision));
  for (const StageResult& s : plan.stages) {
    out += fmt::format("\n{}: {} tokens, sequences of {}, {} tokens a step", s.stage.name,
                       quantity_text(s.stage.tokens), s.stage.seq_len, quantity_text(s.stage.batch_tokens));
    if (s.ramp)
      out += fmt::format(", from {} on over the first {}", quantity_text(s.ramp->ramp.first),
                         quantity_text(s.ramp->ramp.tokens));
    out += "\n";
    out += fmt::format("  layout        {}; {:.0f} replicas, {:.4g} micro-batches\n", layout_text(s.job.layout),
                       s.job.data_parallel(), s.job.micro_batches());
    out += fmt::format(
        "  step          {:.4g} s{}; {:.0f} steps{}; {:.0f} tokens/s a device; MFU {:.1f} % of the 16-bit peak\n",
        s.step_seconds, s.ramp ? " of the full batch" : "", s.steps, s.ramp ? " in all" : "", s.tokens_per_s_device,
        100 * s.mfu);
    if (s.ramp)
      out += fmt::format("  of it ramp    {:.0f} steps, {:.0f} tokens/s a device, {} device-hours, {}\n", s.ramp->steps,
                         s.ramp->tokens_per_s_device, quantity_text(s.ramp->device_hours), time_text(s.ramp->days));
    std::string parts;
    for (const PartName& part : step_parts())
      if (s.cost.*part.value > 0.0005 * s.step_seconds)
        parts += fmt::format("{} {} {:.1f} %", parts.empty() ? "" : ",", part.name.en,
                             100 * (s.cost.*part.value) / s.step_seconds);
    if (!parts.empty()) out += "  of a step    " + parts + "\n";
    out += fmt::format("  takes         {} device-hours, {}\n", quantity_text(s.device_hours), time_text(s.days));
    if (s.evaluated > 0) {
      out += s.runners_up.empty() ? fmt::format("  the fastest of {} layouts\n", s.evaluated)
                                  : fmt::format("  of {} layouts, the next best and what they lose:\n", s.evaluated);
      for (const Candidate& c : s.runners_up)
        out += fmt::format("    +{:<5.1f} % {:6.1f} GB  {}\n", 100 * (c.step_seconds / s.step_seconds - 1),
                           c.memory * 1e-9, layout_text(c.layout));
    }
  }
  const DeviceMemory& m = plan.memory;
  out += fmt::format("\nmemory of a device: {} of {:.0f} GB", bytes_of(m.total()), r.job.device.memory_gb);
  const char* sign = ":";
  for (const OwnerName& owner : memory_owners()) {
    if (m.*owner.value <= 0) continue;
    out += fmt::format("{} {} {}", sign, owner.name.en, bytes_of(m.*owner.value));
    sign = ",";
  }
  out += fmt::format("\nin all: {} device-hours, {}, {:.3g} FLOP", quantity_text(plan.device_hours),
                     time_text(plan.days), plan.flops);
  if (plan.goodput < 1)
    out += fmt::format("; goodput {:.1f} %, {:.1f} interruptions, a checkpoint every {:.0f} min", 100 * plan.goodput,
                       plan.failures, plan.checkpoint_minutes);
  out += "\n";
  if (plan.energy_mwh > 0) out += "energy: " + energy_text(plan.energy_mwh) + " (predicted)\n";
  const Money& money = plan.money;
  const double won = r.prices.won_per_usd;
  out += fmt::format("money, at {:.0f} won to the dollar:\n", won);
  out += plan.rent_usd > 0 ? fmt::format("  rent at {:.2f} USD/h     {}\n", plan.rent_usd, money_text(money.rent, won))
                           : "  rent                   not known; --price says what a device costs an hour\n";
  for (const MoneyName& line : money_lines().subspan(1))
    if (money.*line.value > 0) out += fmt::format("  {:<22} {}\n", line.name.en, money_text(money.*line.value, won));
  out += ranking_text(plan);
  for (const report::Label& w : plan.warnings) out += "warning: " + w.en + "\n";
  return out;
}

std::optional<DrawnPipeline> drawn_pipeline(const StageResult& s) {
  const Layout& l = s.job.layout;
  if (l.pp <= 1) return std::nullopt;
  const bool dual = l.schedule == Schedule::dualpipe;
  auto micros = static_cast<int64_t>(dual ? s.job.whole_micro_batches() : s.job.micro_batches());
  micros = std::min(micros, std::max(std::clamp<int64_t>(2 * l.pp, kDrawnMicros, 64), dual ? 2 * l.pp : 0));
  if (dual) micros -= micros % 2;
  if (l.vp > 1) micros = std::max<int64_t>(1, micros / l.pp) * l.pp;
  if (l.pp * l.vp * micros > kMostSlots) return std::nullopt;
  const auto chunks = static_cast<double>(l.vp);
  const ChunkTime time{s.cost.micro_forward / chunks, s.cost.micro_backward / chunks,
                       s.cost.micro_backward / chunks / 2};
  return DrawnPipeline{simulate(l.schedule, l.pp, l.vp, micros, time), micros};
}

std::string pipelines_text(const Plan& plan) {
  std::string out;
  for (const StageResult& s : plan.stages) {
    const Layout& l = s.job.layout;
    out += fmt::format("\npipeline of {}: ", s.stage.name);
    if (const auto drawn = drawn_pipeline(s))
      out += fmt::format(
          "{}, {} of {:.0f} micro-batches; F forward, B backward, W gradients of weights,{} . waiting\n{}",
          schedule_name(l.schedule), drawn->micros, s.job.whole_micro_batches(),
          l.schedule == Schedule::dualpipe ? " & a forward beside a backward," : "", draw(drawn->run, l.pp, kColumns));
    else
      out += l.pp <= 1 ? "none, all layers are on every device\n" : "too large to be drawn\n";
  }
  return out;
}

}  // namespace nuri::plan
