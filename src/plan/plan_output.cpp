// What a plan looks like: JSON, text, and plans side by side.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "plan/plan.h"

namespace nuri::plan {
namespace {

struct Part {
  const char* name;
  double StepCost::*value;
};
constexpr Part kParts[] = {
    {"products", &StepCost::products},         {"attention", &StepCost::attention},
    {"elementwise", &StepCost::elementwise},   {"kernel gaps", &StepCost::gaps},
    {"recomputation", &StepCost::recompute},   {"tensor exchange", &StepCost::tensor},
    {"experts' exchange", &StepCost::experts}, {"data exchange", &StepCost::data},
    {"pipeline bubble", &StepCost::bubble},    {"optimizer", &StepCost::optimizer},
    {"offload", &StepCost::offload},           {"waiting for the slowest", &StepCost::straggle},
};

OrderedJson layout_json(const Layout& l) {
  return {{"tp", l.tp},
          {"cp", l.cp},
          {"pp", l.pp},
          {"vp", l.vp},
          {"ep", l.ep},
          {"etp", l.etp},
          {"zero", l.zero},
          {"shard", l.shard},
          {"micro_batch", l.micro_batch},
          {"recompute", recompute_name(l.recompute)},
          {"schedule", schedule_name(l.schedule)},
          {"overlap_experts", l.overlap_experts}};
}

std::string money_text(double usd, double won) {
  return fmt::format("{:>14} USD  {:>18} KRW", usd < 1000 ? fmt::format("{:.2f}", usd) : fmt::format("{:.0f}", usd),
                     fmt::format("{:.0f}", usd * won));
}

constexpr int64_t kDrawnMicros = 24, kMostSlots = 20'000, kColumns = 110;

/// The name of a model's directory or file, at most `length` characters.
std::string short_name(const std::string& model, size_t length) {
  size_t end = model.find_last_not_of('/') + 1;
  size_t begin = end == 0 ? 0 : model.find_last_of('/', end - 1) + 1;
  if (model.ends_with("config.json") && begin > 1) {
    end = begin - 1;
    begin = model.find_last_of('/', end - 1) + 1;
  }
  std::string name = model.substr(begin, end - begin);
  size_t at = 0;
  for (size_t n = 0; n < length && at < name.size(); ++n) do
      ++at;
    while (at < name.size() && (static_cast<unsigned char>(name[at]) & 0xc0) == 0x80);
  return name.substr(0, at);
}

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

OrderedJson plan_json(const Plan& plan) {
  const PlanRequest& r = plan.request;
  OrderedJson out{{"model", r.model},
                  {"hardware", r.job.device.name},
                  {"devices", r.job.n_devices},
                  {"precision", precision_name(r.job.precision)}};
  OrderedJson stages = OrderedJson::array();
  for (const StageResult& s : plan.stages) {
    OrderedJson parts;
    for (const Part& part : kParts) parts[part.name] = s.cost.*part.value;
    OrderedJson stage{{"name", s.stage.name},
                      {"tokens", s.stage.tokens},
                      {"sequence", s.stage.seq_len},
                      {"batch_tokens", s.stage.batch_tokens},
                      {"layout", layout_json(s.job.layout)},
                      {"data_parallel", s.job.data_parallel()},
                      {"micro_batches", s.job.micro_batches()},
                      {"steps", s.steps},
                      {"step_seconds", s.step_seconds},
                      {"step_parts_seconds", parts},
                      {"tokens_per_s_device", s.tokens_per_s_device},
                      {"mfu", s.mfu},
                      {"flops", s.flops},
                      {"device_hours", s.device_hours},
                      {"days", s.days}};
    if (s.evaluated > 0) {
      stage["layouts_evaluated"] = s.evaluated;
      OrderedJson others = OrderedJson::array();
      for (const Candidate& c : s.runners_up)
        others.push_back({{"layout", layout_json(c.layout)},
                          {"step_seconds", c.step_seconds},
                          {"loses", c.step_seconds / s.step_seconds - 1},
                          {"memory_bytes", c.memory}});
      stage["runners_up"] = others;
    }
    stages.push_back(stage);
  }
  out["stages"] = stages;
  out["device_hours"] = plan.device_hours;
  out["days"] = plan.days;
  out["flops"] = plan.flops;
  out["goodput"] = plan.goodput;
  out["interruptions"] = plan.failures;
  out["checkpoint_minutes"] = plan.checkpoint_minutes;
  const DeviceMemory& m = plan.memory;
  out["memory_bytes_per_device"] = {
      {"weights", m.weights}, {"gradients", m.gradients}, {"optimizer", m.optimizer}, {"activations", m.activations},
      {"logits", m.logits},   {"workspace", m.workspace}, {"total", m.total()}};
  out["energy_mwh"] = plan.energy_mwh;
  const auto known = [](double value) { return value > 0 ? OrderedJson(value) : OrderedJson(); };
  out["rent_usd_hour"] = known(plan.rent_usd);
  out["won_per_usd"] = r.prices.won_per_usd;
  for (const auto& [currency, rate] : {std::pair("usd", 1.0), {"krw", r.prices.won_per_usd}})
    out[currency] = {{"rent", known(plan.money.rent * rate)},
                     {"purchase", plan.money.purchase * rate},
                     {"power", plan.money.power * rate},
                     {"staff", plan.money.staff * rate},
                     {"failed_and_trial_runs", plan.money.failed * rate}};
  out["warnings"] = plan.warnings;
  out["predicted"] = true;
  return out;
}

std::string plan_text(const Plan& plan) {
  const PlanRequest& r = plan.request;
  std::string out = fmt::format("{} on {} x {}, {} (all figures predicted)\n", r.model, r.job.n_devices,
                                r.job.device.name, precision_name(r.job.precision));
  for (const StageResult& s : plan.stages) {
    out += fmt::format("\n{}: {} tokens, sequences of {}, {} tokens a step\n", s.stage.name,
                       quantity_text(s.stage.tokens), s.stage.seq_len, quantity_text(s.stage.batch_tokens));
    out += fmt::format("  layout        {}; {:.0f} replicas, {:.4g} micro-batches\n", layout_text(s.job.layout),
                       s.job.data_parallel(), s.job.micro_batches());
    out += fmt::format(
        "  step          {:.4g} s; {:.0f} steps; {:.0f} tokens/s a device; MFU {:.1f} % of the 16-bit peak\n",
        s.step_seconds, s.steps, s.tokens_per_s_device, 100 * s.mfu);
    std::string parts;
    for (const Part& part : kParts)
      if (s.cost.*part.value > 0.0005 * s.step_seconds)
        parts += fmt::format("{} {} {:.1f} %", parts.empty() ? "" : ",", part.name,
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
  for (const auto& [name, bytes] : {std::pair("weights", m.weights),
                                    {"gradients", m.gradients},
                                    {"optimizer", m.optimizer},
                                    {"activations", m.activations},
                                    {"logits", m.logits},
                                    {"other", m.workspace}}) {
    if (bytes <= 0) continue;
    out += fmt::format("{} {} {}", sign, name, bytes_of(bytes));
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
  const auto line = [&](const char* name, double usd) {
    if (usd > 0) out += fmt::format("  {:<22} {}\n", name, money_text(usd, won));
  };
  line("or bought, this share", money.purchase);
  line("power where bought", money.power);
  line("staff", money.staff);
  line("failed and trial runs", money.failed);
  for (const std::string& w : plan.warnings) out += "warning: " + w + "\n";
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

std::string compare_text(const std::vector<OrderedJson>& plans) {
  struct Row {
    const char* name;
    std::string (*value)(const OrderedJson&);
  };
  static const Row kRows[] = {
      {"model", [](const OrderedJson& p) { return short_name(p.at("model").get<std::string>(), 22); }},
      {"hardware", [](const OrderedJson& p) { return p.at("hardware").get<std::string>(); }},
      {"devices", [](const OrderedJson& p) { return fmt::format("{}", p.at("devices").get<int64_t>()); }},
      {"precision", [](const OrderedJson& p) { return p.at("precision").get<std::string>(); }},
      {"step, s",
       [](const OrderedJson& p) {
         return fmt::format("{:.4g}", p.at("stages").at(0).at("step_seconds").get<double>());
       }},
      {"MFU, %",
       [](const OrderedJson& p) { return fmt::format("{:.1f}", 100 * p.at("stages").at(0).at("mfu").get<double>()); }},
      {"device-hours", [](const OrderedJson& p) { return quantity_text(p.at("device_hours").get<double>()); }},
      {"days", [](const OrderedJson& p) { return fmt::format("{:.4g}", p.at("days").get<double>()); }},
      {"memory, GB",
       [](const OrderedJson& p) {
         return fmt::format("{:.1f}", 1e-9 * p.at("memory_bytes_per_device").at("total").get<double>());
       }},
      {"energy, MWh", [](const OrderedJson& p) { return fmt::format("{:.4g}", p.at("energy_mwh").get<double>()); }},
      {"rent, USD",
       [](const OrderedJson& p) {
         const OrderedJson& rent = p.at("usd").at("rent");
         return rent.is_number() ? fmt::format("{:.6g}", rent.get<double>()) : "-";
       }},
  };
  std::string out;
  for (const Row& row : kRows) {
    out += fmt::format("{:<13}", row.name);
    for (const OrderedJson& plan : plans) out += fmt::format(" {:>22}", row.value(plan));
    out += "\n";
  }
  return out;
}

}  // namespace nuri::plan
