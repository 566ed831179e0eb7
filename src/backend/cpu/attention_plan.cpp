#include "backend/cpu/attention_plan.h"

#include "backend/cpu/attention_scratch.h"
#include "base/threads.h"

namespace nuri::cpu {
namespace {

constexpr int64_t kTaskBytes = 256 * 1024;           // of queries and results of a task: they stay in L2
constexpr int64_t kLeastRows = 24, kMostRows = 512;  // of a task: packing a block costs about as much as 24 rows
constexpr int64_t kPartialFloats = 16 << 20;         // largest memory for segments that are merged later
constexpr int64_t kTasksPerThread = 4;

/// Where tasks are fewer than threads want, each segment of a long one becomes a task.
void split_segments(AttentionPlan& plan, int64_t columns) {
  int64_t floats = 0;
  for (const AttentionTask& task : plan.tasks)
    if (task.end_segment > 1) floats += task.end_segment * task.rows() * (columns + 2);
  if (floats == 0 || floats > kPartialFloats) return;
  std::vector<AttentionTask> split;
  for (const AttentionTask& task : plan.tasks) {
    if (task.end_segment == 1) {
      split.push_back(task);
      continue;
    }
    plan.merges.push_back({task, split.size()});
    for (int64_t segment = 0; segment < task.end_segment; ++segment) {
      plan.partial_at.push_back({split.size(), plan.partial_floats});
      plan.partial_floats += task.rows() * (columns + 2);
      split.push_back(task);
      split.back().segment = segment;
      split.back().end_segment = segment + 1;
    }
  }
  plan.tasks = std::move(split);
}

/// Parts in the order of rows. What is split into segments keeps its order: the results of a segment have an index.
void cut_parts(AttentionPlan& plan, int64_t threads) {
  int64_t total = 0, done = 0;
  for (const AttentionTask& task : plan.tasks) total += task.cost();
  for (const AttentionTask& task : plan.tasks) {
    while (done * threads >= total * (static_cast<int64_t>(plan.ends.size()) + 1) && done > 0)
      plan.ends.push_back(&task - plan.tasks.data());
    done += task.cost();
  }
  plan.ends.resize(static_cast<size_t>(threads), static_cast<int64_t>(plan.tasks.size()));
  if (!plan.partial_at.empty()) return;
  int64_t begin = 0;
  for (const int64_t end : plan.ends) {
    std::stable_sort(plan.tasks.begin() + begin, plan.tasks.begin() + end,
                     [](const AttentionTask& a, const AttentionTask& b) { return a.cost() > b.cost(); });
    begin = end;
  }
}

}  // namespace

AttentionPlan plan_attention(const AttentionArgs& args, bool shares_keys, int64_t columns) {
  AttentionPlan plan;
  int64_t total_rows = 0;
  for (const AttentionSequence& s : args.sequences) total_rows += s.n_queries * args.n_heads;
  const int64_t threads = thread_count(), wanted = kTasksPerThread * threads;
  const int64_t row_bytes = 4 * (args.d_k + args.d_shared + args.d_v);
  const int64_t most = std::clamp(kTaskBytes / row_bytes, kKeyBlock, kMostRows);
  const int64_t rows = std::clamp(total_rows / wanted, kLeastRows, most);
  const int64_t one_query_heads = std::max<int64_t>(1, total_rows / (threads == 1 ? 1 : 2 * threads));
  for (const AttentionSequence& s : args.sequences) {
    const int64_t most_heads = shares_keys        ? (s.n_queries == 1 ? round_up_16(rows) : rows)
                               : s.n_queries == 1 ? one_query_heads
                                                  : 1;
    const int64_t groups = (args.n_heads + most_heads - 1) / most_heads;
    const int64_t heads = (args.n_heads + groups - 1) / groups;
    const int64_t queries = std::max<int64_t>(1, rows / heads);
    for (int64_t head = 0; head < args.n_heads; head += heads)
      for (int64_t first = 0; first < s.n_queries; first += queries) {
        AttentionTask task{.sequence = &s,
                           .head = head,
                           .heads = std::min(heads, args.n_heads - head),
                           .first = first,
                           .queries = std::min(queries, s.n_queries - first),
                           .segment = 0,
                           .end_segment = 0,
                           .partial = nullptr};
        task.end_segment = (task.n_keys() + kSegmentKeys - 1) / kSegmentKeys;
        plan.tasks.push_back(task);
      }
  }
  if (threads > 1 && static_cast<int64_t>(plan.tasks.size()) < wanted) split_segments(plan, columns);
  cut_parts(plan, threads);
  for (const AttentionTask& task : plan.tasks) {
    plan.most_rows = std::max(plan.most_rows, task.rows());
    plan.merging = plan.merging || task.end_segment > 1;
  }
  return plan;
}

}  // namespace nuri::cpu
