#include "backend/cpu/attention_plan.h"

#include <gtest/gtest.h>

#include <set>
#include <tuple>

#include "base/threads.h"

namespace nuri::cpu {
namespace {

struct AttentionPlanTest : testing::TestWithParam<int> {
  int before = thread_count();
  ~AttentionPlanTest() override { set_thread_count(before); }
};
INSTANTIATE_TEST_SUITE_P(Threads, AttentionPlanTest, testing::Values(1, 2, 3, 16));

// Decoding and prompts, a few and many, short and of several segments: each query, head and segment once, parts in
// order, and none much costlier than its share.
TEST_P(AttentionPlanTest, CoversAllInPartsOfAboutEqualCost) {
  set_thread_count(GetParam());
  struct Sequences {
    int64_t n, first_position, step, n_queries;
  };
  for (const auto& [n, first_position, step, n_queries] :
       {Sequences{1, 0, 0, 1}, {1, 5000, 0, 1}, {7, 0, 900, 1}, {100, 10, 5, 1}, {8, 0, 0, 256}, {3, 100, 1500, 70}})
    for (const bool shares_keys : {false, true}) {
      std::vector<AttentionSequence> sequences;
      for (int64_t i = 0; i < n; ++i)
        sequences.push_back({.first_row = i * n_queries,
                             .n_queries = n_queries,
                             .first_position = first_position + i * step,
                             .blocks = nullptr});
      AttentionArgs args;
      args.n_heads = 4;
      args.d_k = args.d_v = 32;
      args.sequences = sequences;
      const AttentionPlan plan = plan_attention(args, shares_keys, 32);
      ASSERT_EQ(plan.ends.size(), static_cast<size_t>(GetParam()));
      EXPECT_EQ(plan.ends.back(), static_cast<int64_t>(plan.tasks.size()));
      std::set<std::tuple<int64_t, int64_t, int64_t>> seen;  // row, head, segment
      int64_t total = 0, largest = 0, begin = 0, expected = 0;
      for (const AttentionTask& task : plan.tasks) {
        total += task.cost();
        largest = std::max(largest, task.cost());
        for (int64_t q = 0; q < task.queries; ++q)
          for (int64_t head = task.head; head < task.head + task.heads; ++head)
            for (int64_t segment = task.segment; segment < task.end_segment; ++segment)
              if (segment * kSegmentKeys <= task.first_position() + q) {
                EXPECT_TRUE(seen.insert({task.sequence->first_row + task.first + q, head, segment}).second);
              }
      }
      if (n == 1 && first_position == 5000 && GetParam() > 1) {  // one token of a long context: threads share its keys
        EXPECT_EQ(plan.merges.empty(), false);
        EXPECT_GE(plan.tasks.size(), 5u);
        if (shares_keys) {
          EXPECT_EQ(plan.tasks[0].heads, 4) << "heads meet a block together";
        }
      }
      for (const AttentionSequence& s : sequences)
        for (int64_t q = 0; q < s.n_queries; ++q)
          expected += args.n_heads * ((s.first_position + q) / kSegmentKeys + 1);
      EXPECT_EQ(static_cast<int64_t>(seen.size()), expected);
      for (const int64_t end : plan.ends) {
        ASSERT_LE(begin, end);
        int64_t cost = 0;
        for (; begin < end; ++begin) cost += plan.tasks[static_cast<size_t>(begin)].cost();
        EXPECT_LE(cost, total / GetParam() + largest);
      }
    }
}

}  // namespace
}  // namespace nuri::cpu
