#include "train/outliers.h"

#include <gtest/gtest.h>

namespace nuri {
namespace {

TEST(Outliers, TenTimesTheMedianOfTheLayerWarns) {
  OutlierWatch watch;
  for (int64_t step = 1; step <= 40; ++step) {
    const double noise = 1 + 0.5 * static_cast<double>(step % 3);  // median 1.5
    EXPECT_TRUE(watch.see(step, {noise, 100 * noise}, {1e-3, 0}).empty()) << step;
  }
  EXPECT_TRUE(watch.see(41, {15.0, 150}, {1e-3, 0}).empty()) << "at the bound";
  const std::vector<WarningRow> rows = watch.see(42, {15.1, 4500}, {1e-3, 0});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].what, "gradient norm");
  EXPECT_EQ(rows[0].group, 1);
  EXPECT_EQ(rows[0].value, 4500);
  EXPECT_EQ(rows[0].usual, 150);
  EXPECT_EQ(rows[0].layers, 2);
  EXPECT_EQ(warning_text(rows[0], 2, 0),
            "warning: step 42: gradient norm of head is 4.5e+03, 30.0 times its median; 2 layers are outliers");
}

TEST(Outliers, IsSilentForAWhileUnlessItGetsWorse) {
  OutlierWatch watch;
  int64_t step = 0;
  for (; step < 30; ++step) EXPECT_TRUE(watch.see(step, {}, {1e-3}).empty());
  EXPECT_EQ(watch.see(step++, {}, {0.02}).size(), 1u);
  EXPECT_TRUE(watch.see(step++, {}, {0.03}).empty());
  EXPECT_EQ(watch.see(step++, {}, {0.05}).size(), 1u);
  for (int64_t i = 0; i < OutlierWatch::kSilence - 1; ++i) EXPECT_TRUE(watch.see(step++, {}, {0.02}).empty());
  EXPECT_EQ(watch.see(step++, {}, {0.02}).size(), 1u);
}

TEST(Outliers, NeedsSixteenStepsAndIgnoresZeros) {
  OutlierWatch watch;
  for (int64_t step = 0; step < 100; ++step) EXPECT_TRUE(watch.see(step, {0}, {}).empty());
  for (int64_t step = 0; step < 15; ++step) EXPECT_TRUE(watch.see(step, {1}, {}).empty());
  EXPECT_TRUE(watch.see(15, {1000}, {}).empty()) << "fifteen are known";
  EXPECT_FALSE(watch.see(16, {1000}, {}).empty());
}

TEST(Outliers, NamesOfGroups) {
  EXPECT_EQ(group_name(0, 5, 2), "embedding");
  EXPECT_EQ(group_name(1, 5, 2), "layer 0");
  EXPECT_EQ(group_name(2, 5, 2), "layer 1");
  EXPECT_EQ(group_name(3, 5, 2), "MTP");
  EXPECT_EQ(group_name(4, 5, 2), "head");
}

}  // namespace
}  // namespace nuri
