#include "plan/ranking.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/test_support.h"
#include "plan/test_request.h"

namespace nuri::plan {
namespace {

const std::vector<int64_t> kNumbers{512, 1024, 2048, 4096};

Plan ranked(RankBy by, double staff = 0, double most_days = 0) {
  PlanRequest r = v3(1);
  r.prices.staff_usd_month = staff;
  return make_ranked_plan(r, {kNumbers, by, most_days});
}

TEST(Ranking, PlansTheBestOfSeveralNumbers) {
  const Plan fast = ranked(RankBy::time);
  ASSERT_EQ(fast.by_devices.size(), kNumbers.size());
  size_t fastest = 0;
  for (size_t i = 0; i < kNumbers.size(); ++i) {
    // Each number as if it were planned alone.
    const Plan alone = make_plan(v3(kNumbers[i]));
    const DeviceChoice& c = fast.by_devices[i];
    EXPECT_EQ(c.devices, kNumbers[i]);
    EXPECT_EQ(c.days, alone.days);
    EXPECT_EQ(c.device_hours, alone.device_hours);
    EXPECT_EQ(c.usd, alone.money.rent);
    EXPECT_EQ(c.layout, alone.stages[0].job.layout);
    if (c.days < fast.by_devices[fastest].days) fastest = i;
  }
  EXPECT_EQ(fast.request.job.n_devices, kNumbers[fastest]);
  EXPECT_EQ(fast.days, fast.by_devices[fastest].days);
  EXPECT_EQ(fast.by_devices[fastest].loses, 0);
  EXPECT_NEAR(fast.by_devices[0].loses, fast.by_devices[0].days / fast.days - 1, 1e-12);
}

TEST(Ranking, MoneyPrefersFewDevicesUntilPeopleWait) {
  // Failures, the slowest and exchange make device-hours grow with their number; people cost by the day.
  const Plan fast = ranked(RankBy::time), cheap = ranked(RankBy::money), staffed = ranked(RankBy::money, 3e6);
  EXPECT_LT(cheap.request.job.n_devices, fast.request.job.n_devices);
  EXPECT_GT(staffed.request.job.n_devices, cheap.request.job.n_devices);
  for (const Plan* plan : {&cheap, &staffed})
    for (const DeviceChoice& c : plan->by_devices) EXPECT_GE(c.usd, spent_usd(*plan));
  EXPECT_NEAR(spent_usd(staffed), staffed.money.rent + 3e6 * staffed.days / 30.44, 1e-6 * spent_usd(staffed));
}

TEST(Ranking, MoneyIsTheLinesThatApply) {
  PlanRequest r = v3(2048);
  r.prices.failed_share = 0.3;
  r.prices.staff_usd_month = 1e5;
  Plan plan = make_plan(r);
  EXPECT_NEAR(spent_usd(plan), plan.money.rent + plan.money.failed + plan.money.staff, 1e-9 * spent_usd(plan));
  EXPECT_EQ(spent_on(plan).en, "rent, failed and trial runs, staff");
  r.prices.buy_usd = 3e4;
  plan = make_plan(r);
  EXPECT_NEAR(spent_usd(plan), 1.3 * (plan.money.purchase + plan.money.power) + plan.money.staff,
              1e-9 * spent_usd(plan));
  EXPECT_EQ(spent_on(plan).en, "purchase and power, failed and trial runs, staff");
}

TEST(Ranking, DeadlineLeavesOutWhatIsLate) {
  const Plan cheap = ranked(RankBy::money), soon = ranked(RankBy::money, 0, 60);
  EXPECT_GT(cheap.days, 60);
  EXPECT_LE(soon.days, 60);
  for (const DeviceChoice& c : soon.by_devices) {
    EXPECT_EQ(c.in_time, c.days <= 60);
    EXPECT_TRUE(!c.in_time || c.usd >= spent_usd(soon));
  }
  EXPECT_NE(plan_text(soon).find("too late"), std::string::npos);
  const OrderedJson rows = plan_json(soon)["by_devices"];
  EXPECT_TRUE(std::any_of(rows.begin(), rows.end(), [](const auto& row) { return row["loses"].is_null(); }));
  // None: the message names the nearest, which is accepted.
  const std::string late = test::error_of([] { ranked(RankBy::money, 0, 10); });
  EXPECT_NE(late.find("4096 devices in "), std::string::npos) << late;
  const double days = std::stod(late.substr(late.find("devices in ") + 11));
  EXPECT_EQ(ranked(RankBy::money, 0, days).request.job.n_devices, 4096);
  EXPECT_NE(test::error_of([] {
              make_ranked_plan(v3(1), {{2048}, RankBy::time, 20});
            }).find("2048 devices in"),
            std::string::npos);
}

TEST(Ranking, OfOneNumberIsThePlan) {
  for (const RankBy by : {RankBy::time, RankBy::money})
    EXPECT_EQ(plan_json(make_ranked_plan(v3(1), {{2048}, by, 0})), plan_json(make_plan(v3(2048))));
}

TEST(Ranking, GivenLayoutsAreRankedWhereTheyWork) {
  PlanRequest r = v3(1);
  r.auto_layout = false;
  r.job.layout = parse_layout("pp=16 ep=64 schedule=dualpipe recompute=selective");
  const Plan plan = make_ranked_plan(r, {{256, 1000, 2048, 3072}, RankBy::money, 0});
  ASSERT_EQ(plan.by_devices.size(), 4U);
  EXPECT_NE(plan.by_devices[0].refused.find("nearest ep is 16"), std::string::npos);
  EXPECT_NE(plan.by_devices[1].refused.find("992 and 1008"), std::string::npos);
  EXPECT_TRUE(plan.by_devices[2].layout.has_value());
  EXPECT_TRUE(plan.by_devices[3].layout.has_value());
  EXPECT_FALSE(plan_json(plan)["by_devices"][0]["works"].get<bool>());
  // More replicas share the optimizer: what overflows with few may fit with more.
  r.job.layout = parse_layout("pp=8 ep=32 recompute=ffn");
  const Plan larger = make_ranked_plan(r, {{512, 1024}, RankBy::money, 0});
  EXPECT_NE(larger.by_devices[0].refused.find("memory"), std::string::npos);
  EXPECT_EQ(larger.request.job.n_devices, 1024);
}

TEST(Ranking, RefusesWhatCannotBeRanked) {
  PlanRequest r = v3(1);
  const auto message = [&](Ranking ranking) { return test::error_of([&] { make_ranked_plan(r, ranking); }); };
  EXPECT_NE(message({{8, 16}}).find("with 16: "), std::string::npos);
  r.job.device = find_device("H20-96GB");
  r.prices.rent_usd = 0;
  EXPECT_NE(message({{2048, 4096}, RankBy::money, 0}).find("give --price"), std::string::npos);
  EXPECT_EQ(make_ranked_plan(r, {{2048, 4096}, RankBy::time, 0}).by_devices[0].usd, 0);
  EXPECT_EQ(parse_devices("2048"), std::vector<int64_t>{2048});
  EXPECT_EQ(parse_devices("2048,256"), (std::vector<int64_t>{256, 2048}));
  for (const char* bad : {"", ",", "256,", ",256", "256,,512", "256 512", "0", "-8", "1.5", "x", "10000001", "8,8"})
    EXPECT_THROW(parse_devices(bad), Error) << bad;
  std::string many = "1";
  for (int i = 2; i <= 65; ++i) many += "," + std::to_string(i);
  EXPECT_THROW(parse_devices(many), Error);
}

TEST(Ranking, IsATableInBothLanguages) {
  const Plan plan = ranked(RankBy::money, 1e5, 60);
  const std::string page = plan_page(plan, {});
  for (const char* part : {"By number of devices", "장치 수에 따라", "기한 초과", "최선", "임대료, 인건비"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  EXPECT_EQ(plan_page(make_plan(v3(2048)), {}).find("장치 수에 따라"), std::string::npos);
  const OrderedJson json = plan_json(plan);
  EXPECT_EQ(json["ranked_by"], "money");
  EXPECT_FALSE(plan_json(make_plan(v3(2048))).contains("by_devices"));
}

}  // namespace
}  // namespace nuri::plan
