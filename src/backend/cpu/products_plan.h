// How the products of one call are cut: which operands are packed and where, and the tasks that threads claim.
#pragma once

#include <algorithm>
#include <vector>

#include "backend/cpu/products.h"
#include "backend/kernels.h"

namespace nuri::cpu {

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }

/// How one product runs: where its packed operands lie and how C is cut.
struct ProductPlan {
  const ProductArgs* item = nullptr;
  PackSource a_source, b_source;
  Words a_words = Words::floats, b_words = Words::floats;
  bool pairs = false;     ///< B holds pairs of BF16, else a float a word
  bool a_turned = false;  ///< A in panels
  bool packs_b = false;   ///< else B is used where it lies
  int64_t fused_k = 0;    ///< k that a task packs for itself at a time; 0: all is packed before the tasks
  int64_t a_offset = 0;   ///< words into the scratch
  int64_t b_offset = 0;   ///< words into the scratch
  const uint32_t* b = nullptr;
  int64_t panel_stride = 0;  ///< words between panels of B where it is packed whole
  int64_t tile_rows = 0, task_rows = 0, task_columns = 0;

  /// Words between packed rows of A (panels where it is turned) of k elements.
  int64_t a_stride(int64_t k) const;
  /// Words that so many rows of A, or columns of B, of k elements take in the scratch.
  int64_t a_size(int64_t rows, int64_t k) const;
  int64_t b_size(int64_t columns, int64_t k) const;
  int64_t b_panel(int64_t k) const;  ///< words of a panel of B packed for k elements
  /// Words of B along k.
  int64_t words(int64_t k) const { return pairs ? (k + 1) / 2 : k; }
};

/// A task: rows from `row` and columns from `column` on of a plan's C, as many as the plan says.
struct ProductTask {
  int32_t plan;
  int64_t row, column;
};
/// A part of an operand to pack before the tasks.
struct PackTask {
  int32_t item;
  bool is_b;
  PackPart part;
};

PackSource source_of(const Operand& operand, bool outer_is_row, int64_t k);
/// The elements of a source from (outer, k) on, k_count along k.
PackSource slice(PackSource source, int64_t outer, int64_t k, int64_t k_count);

/// B lies packed, but an odd k ends inside it: the last pair's second half is another row's, not the padding.
bool ends_inside_pair(const ProductArgs& item);
/// Of a product, in multiply-adds.
int64_t cost_of(const ProductArgs& item);
/// All of a plan but the offsets. `total_cost`: of all products of the call.
ProductPlan make_plan(const ProductArgs& item, const ProductKernels& kernels, int64_t total_cost, int threads);
/// threads: so many runs of rows, where there are enough, each with all columns.
void add_tasks(std::vector<ProductTask>& tasks, const ProductPlan& plan, int32_t index, int threads);
/// The order of a call's tasks by the thread that begins with them; room that the caller keeps.
struct TaskParts {
  std::vector<int64_t> ends;  ///< [threads] of each thread's tasks
  std::vector<int64_t> runs;
  std::vector<ProductTask> spare;
};
/// Of each run of products of a kind (B packed beforehand or not) every thread has an equal part: those of one product
/// the same rows as in other calls, those of experts the same experts. What does not divide goes round.
void deal_tasks(std::vector<ProductTask>& tasks, const std::vector<ProductPlan>& plans, int threads, TaskParts& parts);
/// Spreads the tasks of products that multiply more than they read among those that read, so that threads do both at
/// any time: memory is shared, multipliers are not. The order within each kind stays. False: all are of one kind,
/// nothing was done. spare: room that the caller keeps.
bool mix_tasks(std::vector<ProductTask>& tasks, const std::vector<ProductPlan>& plans, std::vector<ProductTask>& spare);
/// Cuts the packing of an operand [outer, k] into tasks. Memory rows are read whole, or in long runs.
void add_packing(std::vector<PackTask>& tasks, int32_t item, bool is_b, const PackSource& source, int64_t outer);

}  // namespace nuri::cpu
