#include "optim/batch_ramp.h"

#include <gtest/gtest.h>

namespace nuri {
namespace {

/// seen_after and steps_within by walking step by step.
void expect_walk(const BatchRamp& ramp, int64_t steps) {
  int64_t seen = 0;
  for (int64_t step = 0; step < steps; ++step) {
    ASSERT_EQ(ramp.seen_after(step), seen) << step;
    const int64_t rows = ramp.rows_at(seen);
    for (const int64_t total : {seen, seen + rows - 1}) ASSERT_EQ(ramp.steps_within(total), step) << total;
    seen += rows;
  }
}

TEST(BatchRamp, ConstantWithoutAStart) {
  const BatchRamp ramp{.full = 7};
  EXPECT_EQ(ramp.rows_at(0), 7);
  EXPECT_EQ(ramp.seen_after(5), 35);
  EXPECT_EQ(ramp.steps_within(34), 4);
  EXPECT_EQ(ramp.sizes(), std::vector<int64_t>{7});
}

TEST(BatchRamp, RisesByUnitsAndIsFullAtTheEndOfTheRamp) {
  const BatchRamp ramp{.full = 10, .start = 4, .unit = 2, .ramp = 30};  // 4, 6, 8 for ten rows each
  EXPECT_EQ(ramp.sizes(), (std::vector<int64_t>{4, 6, 8, 10}));
  std::vector<int64_t> rows;
  for (int64_t seen = 0; rows.size() < 8; seen += rows.back()) rows.push_back(ramp.rows_at(seen));
  EXPECT_EQ(rows, (std::vector<int64_t>{4, 4, 4, 6, 6, 8, 10, 10}));  // seen 0 4 8 12 18 24 32 42
  EXPECT_EQ(ramp.rows_at(29), 8);
  EXPECT_EQ(ramp.rows_at(30), 10);
}

TEST(BatchRamp, CursorsAndStepsAgreeWithAWalk) {
  expect_walk({.full = 10, .start = 4, .unit = 2, .ramp = 30}, 50);
  expect_walk({.full = 64, .start = 3, .unit = 1, .ramp = 1000}, 300);
  expect_walk({.full = 64, .start = 8, .unit = 8, .ramp = 1}, 20);    // over before the second step
  expect_walk({.full = 64, .start = 8, .unit = 8, .ramp = 100}, 20);  // levels are skipped
  expect_walk({.full = 8, .start = 8, .unit = 8, .ramp = 100}, 20);
}

TEST(BatchRamp, OfV3) {
  // 3,072 to 15,360 rows of 4,096 tokens over 469 B tokens of 14.8 T.
  const BatchRamp v3{.full = 15360, .start = 3072, .unit = 3072, .ramp = 469'000'000'000 / 4096};
  EXPECT_EQ(v3.rows_at(0), 3072);
  EXPECT_EQ(v3.rows_at(v3.ramp / 2 + 1), 3072 * 3);
  EXPECT_EQ(v3.rows_at(v3.ramp), 15360);
  const int64_t total = 14'800'000'000'000 / 4096, steps = v3.steps_within(total);
  EXPECT_LE(v3.seen_after(steps), total);
  EXPECT_GT(v3.seen_after(steps + 1), total);
  EXPECT_NEAR(static_cast<double>(steps), 235245 - 7454 + 9319 * (1 + 0.5 + 1.0 / 3 + 0.25), 10);
}

}  // namespace
}  // namespace nuri
