// A plan as one self-contained page, with sliders that recompute time and money in the page.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "plan/plan_names.h"
#include "plan/ranking.h"

namespace nuri::plan {
namespace {

using report::Label;

/// A unit that suits a size: what its numbers are multiplied with.
struct Unit {
  Label name;
  double factor = 1;
};
Unit energy_unit(double mwh) {
  if (mwh >= 1) return {{"energy, MWh", "전력량, MWh"}, 1};
  return mwh >= 1e-3 ? Unit{{"energy, kWh", "전력량, kWh"}, 1e3} : Unit{{"energy, Wh", "전력량, Wh"}, 1e6};
}
Unit time_unit(double days) {
  if (days >= 2) return {{"days", "일"}, 1};
  return days >= 1.0 / 12 ? Unit{{"hours", "시간"}, 24} : Unit{{"minutes", "분"}, 24 * 60};
}
Unit won_unit(double won) {
  return won >= 1e8 ? Unit{{"rent, 100 M won", "임대료, 억 원"}, 1e-8} : Unit{{"rent, won", "임대료, 원"}, 1};
}

std::string number_text(double value) {
  return value >= 1000 ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
}

/// Hours at another utilisation and another number of devices: work stays, time follows both.
report::Calculator calculator(const Plan& plan) {
  const StageResult& s = plan.stages.front();
  const auto devices = static_cast<double>(plan.request.job.n_devices);
  const double mfu = 100 * s.mfu, price = plan.rent_usd > 0 ? plan.rent_usd : 2, won = plan.request.prices.won_per_usd;
  const double rent = plan.device_hours * price;  // of the sliders' first values, also where no price is known
  // device-hours = FLOPs / (peak x MFU x goodput); all stages scale alike.
  const std::string hours = fmt::format("({}*{}/mfu)", plan.device_hours, mfu);
  const double watts = plan.device_hours > 0 ? plan.energy_mwh / plan.device_hours : 0;
  const Unit energy = energy_unit(plan.energy_mwh), time = time_unit(plan.days), in_won = won_unit(rent * won);
  report::Calculator c;
  c.sliders = {
      {"price",
       {"rent of a device, USD an hour", "장치 임대료, 시간당 달러"},
       std::min(0.2, price / 2),
       std::max(15.0, price * 2),
       price,
       true},
      {"devices", {"devices", "장치 수"}, std::max(1.0, devices / 32), devices * 32, devices, true},
      {"mfu",
       {"MFU, % of the 16-bit peak", "MFU, 16비트 최대의 %"},
       std::min(2.0, mfu / 2),
       std::max(80.0, mfu * 1.2),
       mfu,
       false},
      {"won", {"won to the dollar", "달러당 원"}, std::min(1000.0, won / 2), std::max(2000.0, won * 1.5), won, false}};
  c.results = {
      {{"device-hours", "장치·시간"}, hours, quantity_text(plan.device_hours)},
      {time.name, fmt::format("{}/devices/24*{}", hours, time.factor), number_text(plan.days * time.factor)},
      {{"rent, USD", "임대료, 달러"}, hours + "*price", number_text(rent)},
      {in_won.name, fmt::format("{}*price*won*{}", hours, in_won.factor), number_text(rent * won * in_won.factor)},
      {energy.name, fmt::format("{}*{}", hours, watts * energy.factor), number_text(plan.energy_mwh * energy.factor)}};
  return c;
}

/// Names are the user's, but for that of a run without stages.
Label stage_label(const std::string& name) { return {name, name == PlanStage().name ? "학습" : ""}; }

Label ramp_text(const StageResult& s) {
  const RampTime& ramp = *s.ramp;
  const std::string first = quantity_text(ramp.ramp.first), full = quantity_text(s.stage.batch_tokens),
                    tokens = quantity_text(ramp.ramp.tokens), hours = quantity_text(ramp.device_hours);
  const Label name = stage_label(s.stage.name), time = time_label(ramp.days);
  return {
      fmt::format("{}: over the first {} tokens the batch grows from {} to {} tokens; of the whole, that is {:.0f} "
                  "steps at {:.0f} tokens/s a device, {} device-hours, {}. The step below is one of the full batch.",
                  name.en, tokens, first, full, ramp.steps, ramp.tokens_per_s_device, hours, time.en),
      fmt::format("{}: 처음 {} 토큰 동안 배치가 {}에서 {} 토큰으로 커진다. 전체 가운데 이 구간은 {:.0f}스텝, 장치당 "
                  "초당 {:.0f} 토큰, {} 장치·시간, {}이다. 아래의 스텝은 배치가 다 커진 뒤의 것이다.",
                  name.ko.empty() ? name.en : name.ko, tokens, first, full, ramp.steps, ramp.tokens_per_s_device, hours,
                  time.ko)};
}

void add_pipeline(report::Page& page, const StageResult& s) {
  const Layout& l = s.job.layout;
  if (l.pp <= 1) return;
  page.add_heading({"Pipeline", "파이프라인"});
  const auto drawn = drawn_pipeline(s);
  if (!drawn) {
    page.add_text({"The pipeline is too large to be drawn.", "파이프라인이 너무 커서 그리지 않는다."});
    return;
  }
  const auto& [run, micros] = *drawn;
  const bool cut = static_cast<double>(micros) < s.job.micro_batches();
  report::Gantt g;
  g.title = {fmt::format("{}, {} stages, {} micro-batches{}: each stage waits {:.3g} s", schedule_name(l.schedule),
                         l.pp, micros, cut ? fmt::format(" of {:.0f}", s.job.micro_batches()) : "", run.idle),
             fmt::format("{}, {}단계, 마이크로배치 {}개{}: 단계마다 {:.3g}초를 기다림", schedule_name(l.schedule), l.pp,
                         micros, cut ? fmt::format("(전체 {:.0f}개)", s.job.micro_batches()) : "", run.idle)};
  g.row_title = {"stage", "단계"};
  g.x_title = {"seconds", "초"};
  g.n_rows = l.pp;
  g.kinds = {{"forward", "순전파"}, {"backward", "역전파"}, {"weight gradients", "가중치 기울기"}};
  if (l.schedule == Schedule::dualpipe) g.kinds.push_back({"a forward beside a backward", "순전파와 역전파를 함께"});
  for (const PipelineSlot& slot : run.slots)
    g.bars.push_back(
        {slot.stage, slot.start, slot.end, static_cast<int64_t>(slot.op),
         slot.op == PipelineOp::both ? fmt::format("{}/{}", slot.micro, slot.beside) : std::to_string(slot.micro)});
  page.add_gantt(g);
}

}  // namespace

std::string plan_page(const Plan& plan, const std::vector<OrderedJson>& others) {
  const PlanRequest& r = plan.request;
  report::Page page(Label("Training plan: " + r.model, "학습 계획: " + r.model),
                    Label(fmt::format("{} x {}, {}; every figure is predicted", r.job.n_devices, r.job.device.name,
                                      precision_name(r.job.precision)),
                          fmt::format("{} x {}, {}; 모든 수치는 예측값", r.job.n_devices, r.job.device.name,
                                      precision_name(r.job.precision))));
  page.add_heading({"In short", "요약"});
  const double won = r.prices.won_per_usd;
  const bool known = plan.rent_usd > 0;
  const Unit in_won = won_unit(plan.money.rent * won);
  std::vector<std::pair<Label, Label>> facts{
      {{"time", "시간"}, time_label(plan.days)},
      {{"device-hours", "장치·시간"}, quantity_text(plan.device_hours)},
      {{"FLOP", "연산량, FLOP"}, fmt::format("{:.3g}", plan.flops)},
      {{"MFU, % of the 16-bit peak", "MFU, 16비트 최대의 %"}, fmt::format("{:.1f}", 100 * plan.stages.front().mfu)},
      {{"memory of a device, GB", "장치당 메모리, GB"},
       fmt::format("{:.1f} / {:.0f}", plan.memory.total() * 1e-9, r.job.device.memory_gb)},
      {{"goodput, %", "유효 시간, %"}, fmt::format("{:.1f}", 100 * plan.goodput)},
      {{"rent, USD", "임대료, 달러"}, known ? number_text(plan.money.rent) : "-"},
      {in_won.name, known ? number_text(plan.money.rent * won * in_won.factor) : "-"},
      {{"energy", "전력량"}, plan.energy_mwh > 0 ? energy_text(plan.energy_mwh) : "-"}};
  page.add_key_values(facts);
  for (const Label& w : plan.warnings) page.add_text({"Warning: " + w.en, "주의: " + (w.ko.empty() ? w.en : w.ko)});
  page.add_heading({"What if", "바꾸어 보면"});
  page.add_calculator(calculator(plan));
  add_ranking(page, plan);
  page.add_heading({"Stages", "단계별"});
  std::vector<std::vector<Label>> rows;
  for (const StageResult& s : plan.stages)
    rows.push_back({stage_label(s.stage.name), quantity_text(s.stage.tokens), std::to_string(s.stage.seq_len),
                    (s.ramp ? quantity_text(s.ramp->ramp.first) + " - " : "") + quantity_text(s.stage.batch_tokens),
                    layout_text(s.job.layout), fmt::format("{:.4g}", s.step_seconds),
                    fmt::format("{:.0f}", s.tokens_per_s_device), fmt::format("{:.1f}", 100 * s.mfu),
                    quantity_text(s.device_hours), time_label(s.days)});
  page.add_table({{"stage", "단계"},
                  {"tokens", "토큰"},
                  {"sequence", "길이"},
                  {"batch", "배치"},
                  {"layout", "배치 방식"},
                  {"step, s", "스텝, 초"},
                  {"tokens/s a device", "장치당 토큰/초"},
                  {"MFU, %", "MFU, %"},
                  {"device-hours", "장치·시간"},
                  {"time", "시간"}},
                 rows);
  for (const StageResult& s : plan.stages)
    if (s.ramp) page.add_text(ramp_text(s));
  page.add_heading({"A step", "한 스텝"});
  rows.clear();
  const StageResult& first = plan.stages.front();
  for (const PartName& part : step_parts())
    if (const double seconds = first.cost.*part.value; seconds > 0)
      rows.push_back(
          {part.name, fmt::format("{:.4g}", seconds), fmt::format("{:.1f}", 100 * seconds / first.step_seconds)});
  if (rows.empty())
    page.add_text({"The step's time was measured as a whole.", "스텝 시간은 전체로 측정했다."});
  else
    page.add_table({{"part", "부분"}, {"seconds", "초"}, {"%", "%"}}, rows);
  rows.clear();
  const auto gigabytes = [](double bytes) { return fmt::format("{:.2f}", 1e-9 * bytes); };
  for (const OwnerName& owner : memory_owners())
    if (const double bytes = plan.memory.*owner.value; bytes > 0) rows.push_back({owner.name, gigabytes(bytes)});
  rows.push_back({{"in all", "합계"}, gigabytes(plan.memory.total())});
  page.add_table({{"memory of a device", "장치당 메모리"}, {"GB", "GB"}}, rows);
  add_pipeline(page, first);
  if (!first.runners_up.empty()) {
    page.add_heading({"The next best layouts", "다음으로 좋은 배치 방식"});
    rows.clear();
    for (const Candidate& c : first.runners_up)
      rows.push_back({fmt::format("+{:.1f}", 100 * (c.step_seconds / first.step_seconds - 1)),
                      fmt::format("{:.1f}", c.memory * 1e-9), layout_text(c.layout)});
    page.add_table({{"slower, %", "느림, %"}, {"memory, GB", "메모리, GB"}, {"layout", "배치 방식"}}, rows);
  }
  page.add_heading({"Money", "비용"});
  rows.clear();
  for (const MoneyName& line : money_lines())
    if (const double usd = plan.money.*line.value; usd > 0)
      rows.push_back({line.name, number_text(usd), number_text(usd * won)});
  page.add_table({{"line", "항목"}, {"USD", "달러"}, {"won", "원"}}, rows);
  if (!others.empty()) {
    page.add_heading({"Side by side", "나란히"});
    std::vector<OrderedJson> all{plan_json(plan)};
    all.insert(all.end(), others.begin(), others.end());
    std::vector<Label> columns{{"", ""}, {"this plan", "이 계획"}};
    for (size_t i = 1; i <= others.size(); ++i)
      columns.emplace_back(fmt::format("other {}", i), fmt::format("다른 계획 {}", i));
    page.add_table(columns, compare_rows(all));
  }
  return page.html();
}

}  // namespace nuri::plan
