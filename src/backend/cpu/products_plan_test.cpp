#include "backend/cpu/products_plan.h"

#include <gtest/gtest.h>

namespace nuri::cpu {
namespace {

/// Tasks of two products, one of few rows and one of many, mixed.
std::vector<ProductTask> mixed(int64_t reading, int64_t multiplying) {
  const ProductArgs few{Precision::bf16, 8, 64, 64, {}}, many{Precision::bf16, 64, 64, 64, {}};
  std::vector<ProductPlan> plans(2);
  plans[0].item = &few;
  plans[1].item = &many;
  std::vector<ProductTask> tasks, spare{{7, 7, 7}};
  for (int64_t i = 0; i < multiplying; ++i) tasks.push_back({1, i, 0});
  for (int64_t i = 0; i < reading; ++i) tasks.push_back({0, i, 0});
  mix_tasks(tasks, plans, spare);
  return tasks;
}

TEST(ProductPlan, TasksThatReadAndTasksThatMultiplyAreSpread) {
  const std::pair<int64_t, int64_t> cases[] = {{0, 3}, {3, 0}, {1, 1}, {7, 7}, {20, 4}, {3, 17}};
  for (const auto& [reading, multiplying] : cases) {
    const std::vector<ProductTask> tasks = mixed(reading, multiplying);
    ASSERT_EQ(tasks.size(), static_cast<size_t>(reading + multiplying));
    const int64_t total[2] = {reading, multiplying};
    int64_t seen[2] = {0, 0};
    for (const ProductTask& task : tasks) {
      EXPECT_EQ(task.row, seen[task.plan]++) << "order within a kind";
      // Each kind is where its share of the tasks so far says, to one task.
      const double share = static_cast<double>(seen[0] + seen[1]) / static_cast<double>(reading + multiplying);
      for (const int kind : {0, 1})
        EXPECT_NEAR(static_cast<double>(seen[kind]), share * static_cast<double>(total[kind]), 1 + 1e-9)
            << reading << " and " << multiplying;
    }
  }
}

}  // namespace
}  // namespace nuri::cpu
