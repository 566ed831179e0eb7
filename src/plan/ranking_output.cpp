// Several numbers of devices side by side, as text and in the page.
#include <fmt/format.h>

#include "plan/plan_names.h"
#include "plan/ranking.h"

namespace nuri::plan {
namespace {

using report::Label;

std::string usd_text(double usd) { return usd > 0 ? fmt::format("{:.0f}", usd) : "-"; }

/// What a number of devices loses against the best, in per cent, or why it is none to choose.
Label verdict(const DeviceChoice& c, bool chosen) {
  if (chosen) return {"best", "최선"};
  if (!c.in_time) return {"too late", "기한 초과"};
  return fmt::format("+{:.1f}", 100 * c.loses);
}

Label title(const Plan& plan) {
  return plan.ranked_by == RankBy::money ? Label("the cheapest is best", "가장 싼 것이 최선")
                                         : Label("the fastest is best", "가장 빠른 것이 최선");
}

}  // namespace

std::string ranking_text(const Plan& plan) {
  if (plan.by_devices.empty()) return {};
  std::string out = fmt::format("by number of devices ({}; USD: {}):\n", title(plan).en, spent_on(plan).en);
  out += fmt::format("{:>10} {:>10} {:>14} {:>12} {:>9}  {}\n", "devices", "days", "device-hours", "USD", "loses, %",
                     plan.stages.size() > 1 ? "layout of the first stage" : "layout");
  for (const DeviceChoice& c : plan.by_devices) {
    if (c.layout)
      out +=
          fmt::format("{:>10} {:>10.4g} {:>14} {:>12} {:>9}  {}\n", c.devices, c.days, quantity_text(c.device_hours),
                      usd_text(c.usd), verdict(c, c.devices == plan.request.job.n_devices).en, layout_text(*c.layout));
    else
      out += fmt::format("{:>10} does not work: {}\n", c.devices, c.refused);
  }
  return out;
}

void add_ranking(report::Page& page, const Plan& plan) {
  if (plan.by_devices.empty()) return;
  page.add_heading({"By number of devices", "장치 수에 따라"});
  const Label best = title(plan), spent = spent_on(plan);
  page.add_text({"Of those that work " + best.en + ". Money is " + spent.en + ".",
                 "쓸 수 있는 것 가운데 " + best.ko + "이다. 비용은 " + spent.ko + "이다."});
  std::vector<std::vector<Label>> rows;
  for (const DeviceChoice& c : plan.by_devices) {
    const std::string devices = std::to_string(c.devices);
    if (c.layout)
      rows.push_back({devices, fmt::format("{:.4g}", c.days), quantity_text(c.device_hours), usd_text(c.usd),
                      usd_text(c.usd * plan.request.prices.won_per_usd),
                      verdict(c, c.devices == plan.request.job.n_devices), layout_text(*c.layout)});
    else
      rows.push_back({devices, "-", "-", "-", "-", Label("does not work", "불가"), c.refused});
  }
  page.add_table({{"devices", "장치 수"},
                  {"days", "일"},
                  {"device-hours", "장치·시간"},
                  {"USD", "달러"},
                  {"won", "원"},
                  {"loses, %", "손해, %"},
                  plan.stages.size() > 1 ? Label("layout of the first stage", "첫 단계의 배치 방식")
                                         : Label("layout", "배치 방식")},
                 rows);
}

}  // namespace nuri::plan
