// How the forward of attention is cut into tasks that threads claim.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "backend/kernels.h"

namespace nuri::cpu {

inline constexpr int64_t kSegmentKeys = kKeyBlock * kSegmentBlocks;

/// Queries [first, first + queries) of a sequence for heads [head, head + heads), over segments [segment, end_segment).
/// Several heads: they share their keys, or there is one query.
struct AttentionTask {
  const AttentionSequence* sequence;
  int64_t head, heads, first, queries;
  int64_t segment, end_segment;
  float* partial;  // m, l [rows], o [rows, columns] of the one segment; null: the task finishes its rows

  int64_t rows() const { return queries * heads; }
  int64_t first_position() const { return sequence->first_position + first; }
  int64_t n_keys() const { return first_position() + queries; }
  int64_t cost() const { return rows() * (std::min(n_keys(), end_segment * kSegmentKeys) - segment * kSegmentKeys); }
  /// First row that sees the key at this position.
  int64_t first_row_seeing(int64_t position) const { return std::max<int64_t>(0, position - first_position()) * heads; }
};

/// A task whose segments became tasks of their own, `first_partial` on: their results are merged after all tasks.
struct AttentionMerge {
  AttentionTask task;  ///< over all segments
  size_t first_partial;
};

struct AttentionPlan {
  std::vector<AttentionTask> tasks;  ///< part after part, in each the costliest first
  std::vector<int64_t> ends;         ///< of the parts that threads begin with: about equal in cost
  std::vector<AttentionMerge> merges;
  std::vector<std::pair<size_t, int64_t>> partial_at;  ///< task, floats into the memory of partial results
  int64_t partial_floats = 0, most_rows = 0;           ///< of that memory; of a task
  bool merging = false;                                ///< some rows see more than one segment
};

/// shares_keys: all heads have the same keys and values. columns: of a row's o.
AttentionPlan plan_attention(const AttentionArgs& args, bool shares_keys, int64_t columns);

}  // namespace nuri::cpu
