#include "plan/ranking.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"

namespace nuri::plan {
namespace {

constexpr int64_t kMostDevices = 10'000'000;
constexpr size_t kMostNumbers = 64;

/// What one number of devices comes to. A layout that was given works there only if it also fits into memory; a plan
/// of one number says in a warning that it does not.
DeviceChoice choice_of(PlanRequest request, int64_t devices, std::optional<Plan>& plan) {
  DeviceChoice out;
  out.devices = devices;
  request.job.n_devices = devices;
  try {
    plan = make_plan(request);
  } catch (const Error& e) {
    out.refused = e.what();
    return out;
  }
  const double limit = request.job.device.memory_gb, memory = 1e-9 * plan->memory.total();
  if (memory > limit && !request.job.offload) {
    out.refused = fmt::format("memory: {:.1f} GB a device, {:.0f} are there", memory, limit);
    plan.reset();
    return out;
  }
  out.layout = plan->stages.front().job.layout;
  out.days = plan->days;
  out.device_hours = plan->device_hours;
  out.usd = spent_usd(*plan);
  return out;
}

}  // namespace

std::vector<int64_t> parse_devices(const std::string& text) {
  std::vector<int64_t> out;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    int64_t n = 0;
    const char* const last = text.data() + end;
    const auto [stop, error] = std::from_chars(text.data() + at, last, n);
    NURI_CHECK(error == std::errc() && stop == last && n >= 1 && n <= kMostDevices,
               "--devices: found \"{}\"; a whole number from 1 to {} is needed, or several, for example 256,512,1024",
               text.substr(at, std::min<size_t>(end - at, 40)), kMostDevices);
    NURI_CHECK(std::find(out.begin(), out.end(), n) == out.end(), "--devices: {} is given twice; leave one out", n);
    out.push_back(n);
    at = end + 1;
  }
  NURI_CHECK(out.size() <= kMostNumbers, "--devices: {} numbers; at most {} are compared", out.size(), kMostNumbers);
  std::sort(out.begin(), out.end());
  return out;
}

double spent_usd(const Plan& plan) {
  const Prices& p = plan.request.prices;
  const double machines = p.buy_usd > 0 ? plan.money.purchase + plan.money.power : plan.money.rent;
  return machines > 0 ? machines * (1 + p.failed_share) + plan.money.staff : 0;
}

report::Label spent_on(const Plan& plan) {
  const Prices& p = plan.request.prices;
  report::Label out =
      p.buy_usd > 0 ? report::Label("purchase and power", "구매비와 전기 요금") : report::Label("rent", "임대료");
  const auto add = [&](const std::string& en, const std::string& ko) {
    out.en += ", " + en;
    out.ko += ", " + ko;
  };
  if (p.failed_share > 0) add("failed and trial runs", "실패하거나 시험한 학습");
  if (p.staff_usd_month > 0) add("staff", "인건비");
  return out;
}

Plan make_ranked_plan(const PlanRequest& request, const Ranking& ranking) {
  NURI_ASSERT(!ranking.devices.empty());
  const bool money = ranking.by == RankBy::money;
  std::vector<std::optional<Plan>> plans(ranking.devices.size());
  std::vector<DeviceChoice> choices;
  if (ranking.devices.size() == 1) {
    PlanRequest one = request;
    one.job.n_devices = ranking.devices.front();
    plans[0] = make_plan(one);
    choices.push_back({.devices = one.job.n_devices, .days = plans[0]->days, .usd = spent_usd(*plans[0])});
  } else {
    for (size_t i = 0; i < plans.size(); ++i) choices.push_back(choice_of(request, ranking.devices[i], plans[i]));
  }
  const auto worth = [&](size_t i) { return money ? choices[i].usd : choices[i].days; };
  std::optional<size_t> best, nearest;
  for (size_t i = 0; i < plans.size(); ++i) {
    if (!plans[i]) continue;
    NURI_CHECK(!money || choices[i].usd > 0,
               "--rank-by money: no price of {} is known; give --price (rent), or --buy, or rank by time",
               request.job.device.name);
    if (!nearest || choices[i].days < choices[*nearest].days) nearest = i;
    choices[i].in_time = ranking.most_days <= 0 || choices[i].days <= ranking.most_days;
    if (choices[i].in_time && (!best || worth(i) < worth(*best))) best = i;
  }
  NURI_CHECK(nearest, "--devices: none of {} numbers of devices works; with {}: {}", choices.size(),
             choices.back().devices, choices.back().refused);
  NURI_CHECK(
      best, "--days {:g}: {}; the nearest is {} devices in {:.2f} days: take more devices, faster ones or more days",
      ranking.most_days, choices.size() > 1 ? "no number of devices ends in time" : "the run does not end in time",
      choices[*nearest].devices, std::ceil(100 * choices[*nearest].days) / 100);
  for (size_t i = 0; i < choices.size(); ++i)
    if (plans[i]) choices[i].loses = worth(i) / worth(*best) - 1;
  Plan plan = std::move(*plans[*best]);
  if (choices.size() > 1) {
    plan.ranked_by = ranking.by;
    plan.by_devices = std::move(choices);
  }
  return plan;
}

}  // namespace nuri::plan
