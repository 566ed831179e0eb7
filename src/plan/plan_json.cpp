// A plan as JSON, for programs.
#include <nlohmann/json.hpp>

#include "plan/plan_names.h"

namespace nuri::plan {
namespace {

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

}  // namespace

OrderedJson plan_json(const Plan& plan) {
  const PlanRequest& r = plan.request;
  OrderedJson out{{"model", r.model},
                  {"hardware", r.job.device.name},
                  {"devices", r.job.n_devices},
                  {"precision", precision_name(r.job.precision)}};
  OrderedJson stages = OrderedJson::array();
  for (const StageResult& s : plan.stages) {
    OrderedJson parts;
    for (const PartName& part : step_parts()) parts[part.name.en] = s.cost.*part.value;
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
    if (s.ramp)
      stage["ramp"] = {{"first_batch_tokens", s.ramp->ramp.first},
                       {"tokens", s.ramp->ramp.tokens},
                       {"steps", s.ramp->steps},
                       {"tokens_per_s_device", s.ramp->tokens_per_s_device},
                       {"device_hours", s.ramp->device_hours},
                       {"days", s.ramp->days}};
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
  OrderedJson& memory = out["memory_bytes_per_device"];
  for (const OwnerName& owner : memory_owners()) memory[owner.key] = plan.memory.*owner.value;
  memory["total"] = plan.memory.total();
  out["energy_mwh"] = plan.energy_mwh;
  const auto known = [](double value) { return value > 0 ? OrderedJson(value) : OrderedJson(); };
  out["rent_usd_hour"] = known(plan.rent_usd);
  out["won_per_usd"] = r.prices.won_per_usd;
  for (const auto& [currency, rate] : {std::pair("usd", 1.0), {"krw", r.prices.won_per_usd}})
    for (const MoneyName& line : money_lines()) {
      const double amount = plan.money.*line.value * rate;
      out[currency][line.key] = line.value == &Money::rent ? known(amount) : OrderedJson(amount);
    }
  if (!plan.by_devices.empty()) {
    out["ranked_by"] = plan.ranked_by == RankBy::money ? "money" : "time";
    for (const DeviceChoice& c : plan.by_devices) {
      OrderedJson row{{"devices", c.devices}, {"works", c.layout.has_value()}};
      if (c.layout)
        row.update({{"in_time", c.in_time},
                    {"days", c.days},
                    {"device_hours", c.device_hours},
                    {"usd", known(c.usd)},
                    {"loses", c.in_time ? OrderedJson(c.loses) : OrderedJson()},
                    {"layout", layout_json(*c.layout)}});
      else
        row["reason"] = c.refused;
      out["by_devices"].push_back(row);
    }
  }
  out["warnings"] = OrderedJson::array();
  for (const report::Label& w : plan.warnings) out["warnings"].push_back(w.en);
  out["predicted"] = true;
  return out;
}

}  // namespace nuri::plan
