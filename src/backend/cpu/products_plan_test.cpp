#include "backend/cpu/products_plan.h"

#include <gtest/gtest.h>

#include <set>
#include <tuple>

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

// Every thread has its rows of each kind, of products packed beforehand and of the others.
TEST(ProductPlan, ThreadsBeginWithTheirOwnRowsOfEachKind) {
  const PackedMatrix packed;
  ProductArgs forward{Precision::bf16, 1000, 600, 64, {}}, gradient = forward;
  forward.packed = &packed;
  std::vector<ProductPlan> plans(3);
  plans[0].item = plans[1].item = &forward;
  plans[2].item = &gradient;
  for (ProductPlan& plan : plans) plan.task_rows = 100, plan.task_columns = 256;
  for (const int threads : {1, 2, 3, 10, 11, 64}) {
    std::vector<ProductTask> tasks;
    TaskParts parts;
    for (int32_t i = 0; i < 3; ++i) add_tasks(tasks, plans[static_cast<size_t>(i)], i, threads);
    std::set<std::tuple<int32_t, int64_t, int64_t>> all;
    for (const ProductTask& task : tasks) all.insert({task.plan, task.row, task.column});
    EXPECT_EQ(all.size(), 90u) << "each part of C once";
    deal_tasks(tasks, plans, threads, parts);
    ASSERT_EQ(parts.ends.size(), static_cast<size_t>(threads));
    EXPECT_EQ(parts.ends.back(), 90);
    std::set<std::tuple<int32_t, int64_t, int64_t>> dealt;
    int64_t begin = 0;
    for (const int64_t end : parts.ends) {
      int64_t kinds[2] = {0, 0};
      for (; begin < end; ++begin) {
        const ProductTask& task = tasks[static_cast<size_t>(begin)];
        dealt.insert({task.plan, task.row, task.column});
        ++kinds[task.plan == 2];
      }
      EXPECT_NEAR(static_cast<double>(kinds[0]), 60.0 / threads, 1.0);
      EXPECT_NEAR(static_cast<double>(kinds[1]), 30.0 / threads, 1.0);
    }
    EXPECT_EQ(dealt, all);
  }
  // Two threads: the gradient's rows 0 to 499 lie in the first part, with all columns.
  std::vector<ProductTask> tasks;
  TaskParts parts;
  add_tasks(tasks, plans[2], 2, 2);
  deal_tasks(tasks, plans, 2, parts);
  for (size_t i = 0; i < tasks.size(); ++i)
    EXPECT_EQ(tasks[i].row < 500, static_cast<int64_t>(i) < parts.ends[0]) << "row " << tasks[i].row;
}

// Kinds that take turns, a task each: no thread has them all.
TEST(ProductPlan, ShortRunsGoRound) {
  const PackedMatrix packed;
  ProductArgs forward{Precision::bf16, 8, 64, 64, {}}, gradient = forward;
  forward.packed = &packed;
  std::vector<ProductPlan> plans(2);
  plans[0].item = &forward;
  plans[1].item = &gradient;
  for (const int threads : {1, 2, 3, 8, 50}) {
    std::vector<ProductTask> tasks;
    TaskParts parts;
    for (int i = 0; i < 20; ++i) tasks.push_back({i % 2, i, 0});
    deal_tasks(tasks, plans, threads, parts);
    int64_t begin = 0;
    for (const int64_t end : parts.ends) {
      EXPECT_NEAR(static_cast<double>(end - begin), 20.0 / threads, 1.0) << threads << " threads";
      begin = end;
    }
    EXPECT_EQ(begin, 20);
  }
}

}  // namespace
}  // namespace nuri::cpu
