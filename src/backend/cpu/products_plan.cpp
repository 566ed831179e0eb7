#include "backend/cpu/products_plan.h"

#include "base/error.h"
#include "base/threads.h"

namespace nuri::cpu {
namespace {

// Cost of a task in multiply-adds: below kLeastTask handing it out would show (some microseconds); with enough work
// each thread gets about kTasksPerThread, so that the last one does not keep the others waiting.
constexpr int64_t kLeastTask = 256 * 1024;
constexpr int64_t kTasksPerThread = 8;
constexpr int64_t kTaskRows = 168, kTaskColumns = 256;  // at most: A and B of one pass stay in L2
constexpr int64_t kReadingRows = 32;                    // up to so many, reading B takes longer than multiplying
constexpr int64_t kMemoryRows = 16;                     // reading B costs about as much as multiplying this many rows
constexpr int64_t kPackElements = 32 * 1024;            // of one packing task, about
// Of a task that packs for itself: what it packs at a time stays in L2, and its C does.
constexpr int64_t kFusedWords = 64 * 1024, kFusedSide = 512;
constexpr int64_t kWholeItems = 3;  // a thread, at least, before a task is a whole product

/// Words of memory for k elements of a row or panel column; rounded floats are written two at a time.
int64_t words_held(Words words, int64_t k) {
  return words == Words::pairs ? (k + 1) / 2 : words == Words::rounded ? round_up(k, 2) : k;
}

/// Cuts C into tasks of about `grain` multiply-adds and at most `widest` columns.
void cut(ProductPlan& plan, int64_t grain, int64_t widest) {
  const ProductArgs& item = *plan.item;
  const int64_t max_rows = std::max<int64_t>(plan.tile_rows, kTaskRows / plan.tile_rows * plan.tile_rows);
  plan.task_rows = std::min(round_up(divide_up(item.m, divide_up(item.m, max_rows)), plan.tile_rows), max_rows);
  plan.task_columns = std::min(widest, round_up(item.n, kPanelColumns));
  const auto cost = [&] { return (std::min(plan.task_rows, item.m) + kMemoryRows) * plan.task_columns * item.k; };
  while (cost() > grain && plan.task_rows > 4 * plan.tile_rows)
    plan.task_rows = round_up(divide_up(plan.task_rows, 2), plan.tile_rows);
  while (cost() > grain && plan.task_columns > 64)
    plan.task_columns = round_up(divide_up(plan.task_columns, 2), 4 * kPanelColumns);
}

/// A task that alone needs its rows of A, and its columns of B where those are not packed yet, packs them itself, some
/// k at a time: they stay in its core's L2, where all packed before the tasks would go through memory.
void fuse(ProductPlan& plan, int64_t total_cost, int threads) {
  const ProductArgs& item = *plan.item;
  if (ends_inside_pair(item)) return;
  if (plan.packs_b) {
    if (std::max(item.m, item.n) > kFusedSide || cost_of(item) * kWholeItems * threads > total_cost) return;
    plan.task_rows = round_up(item.m, plan.tile_rows);
    plan.task_columns = round_up(item.n, kPanelColumns);
  } else if (plan.task_columns < item.n) {
    return;
  }
  const int64_t words = plan.a_size(std::min(plan.task_rows, item.m), item.k) + plan.b_size(item.n, item.k);
  plan.fused_k = round_up(divide_up(item.k, std::max<int64_t>(1, divide_up(words, kFusedWords))), kPackAlign);
}

}  // namespace

int64_t ProductPlan::a_stride(int64_t k) const {
  const int64_t held = words_held(a_words, k);
  // Rows: an odd number of cache lines, so that those of a tile fall into different sets of the cache.
  return a_turned ? held * kPanelColumns : (divide_up(held, 16) | 1) * 16;
}
int64_t ProductPlan::a_size(int64_t rows, int64_t k) const {
  return (a_turned ? divide_up(rows, kPanelColumns) : rows) * a_stride(k);
}
int64_t ProductPlan::b_panel(int64_t k) const { return words_held(b_words, k) * kPanelColumns; }
int64_t ProductPlan::b_size(int64_t columns, int64_t k) const {
  return packs_b ? divide_up(columns, kPanelColumns) * b_panel(k) : 0;
}

PackSource source_of(const Operand& operand, bool outer_is_row, int64_t k) {
  NURI_ASSERT(operand.dtype == DType::f32 || operand.dtype == DType::bf16, "products read f32 and bf16");
  return {.data = operand.data,
          .bf16 = operand.dtype == DType::bf16,
          .stride = operand.stride,
          .rows = operand.rows,
          .k_contiguous = outer_is_row != operand.transposed,
          .k = k};
}

PackSource slice(PackSource source, int64_t outer, int64_t k, int64_t k_count) {
  const int64_t row = source.k_contiguous ? outer : k, column = source.k_contiguous ? k : outer;
  int64_t elements = column;
  if (source.rows)
    source.rows += row;
  else
    elements += row * source.stride;
  source.data = static_cast<const char*>(source.data) + elements * (source.bf16 ? 2 : 4);
  source.k = k_count;
  return source;
}

bool ends_inside_pair(const ProductArgs& item) {
  return item.packed && item.precision == Precision::bf16 && (item.k & 1) && item.packed_k + item.k < item.packed->k;
}

int64_t cost_of(const ProductArgs& item) { return (item.m + kMemoryRows) * item.n * item.k; }

ProductPlan make_plan(const ProductArgs& item, const ProductKernels& kernels, int64_t total_cost, int threads) {
  const bool bf16 = item.precision == Precision::bf16;
  ProductPlan plan;
  plan.item = &item;
  // A B that is packed for this product alone is made of what the level multiplies: pairs would be taken apart again.
  plan.pairs = bf16 && (kernels.pairs || item.packed);
  plan.a_words = !bf16 ? Words::floats : kernels.pairs ? Words::pairs : Words::rounded;
  plan.b_words = !bf16 ? Words::floats : plan.pairs ? Words::pairs : Words::rounded;
  plan.a_source = source_of(item.a, true, item.k);
  plan.a_turned = !plan.a_source.k_contiguous;
  plan.panel_stride = plan.b_panel(item.k);
  if (item.packed) {
    const PackedMatrix& packed = *item.packed;
    NURI_ASSERT(packed.precision == item.precision && item.packed_column % kPanelColumns == 0 &&
                item.packed_k % (bf16 ? 2 : 1) == 0);
    NURI_ASSERT(item.packed_column + item.n <= packed.n && item.packed_k + item.k <= packed.k);
    const int64_t depth = bf16 ? (packed.k + 1) / 2 : packed.k;
    plan.b = static_cast<const uint32_t*>(packed.data) +
             (item.packed_column / kPanelColumns * depth + item.packed_k / (bf16 ? 2 : 1)) * kPanelColumns;
    if (!ends_inside_pair(item)) plan.panel_stride = depth * kPanelColumns;
  }
  plan.b_source = item.packed ? PackSource{.k_contiguous = true, .k = item.k} : source_of(item.b, false, item.k);
  plan.packs_b = !item.packed || ends_inside_pair(item);
  plan.tile_rows = plan.a_turned ? kPanelColumns  // else all tiles of about the same height
                                 : divide_up(item.m, divide_up(item.m, kernels.max_tile_rows));
  const int64_t grain = std::max(kLeastTask, total_cost / (kTasksPerThread * threads));
  cut(plan, grain, kFusedSide);  // as wide as the product, so that no other task needs the rows of A
  // A tile that is alone reads from memory, and the first panels of a task come late: long tasks.
  if (plan.task_columns < item.n) cut(plan, grain, item.m <= plan.tile_rows ? kFusedSide : kTaskColumns);
  fuse(plan, total_cost, threads);
  return plan;
}

void add_tasks(std::vector<ProductTask>& tasks, const ProductPlan& plan, int32_t index, int threads) {
  const int64_t rows = divide_up(plan.item->m, plan.task_rows), parts = rows >= threads ? threads : 1;
  // In a part columns outside: its rows of A are few, and meet each panel of B together.
  for (int64_t part = 0, begin = 0, end; part < parts; ++part, begin = end) {
    end = part_end(rows, part, parts);
    for (int64_t column = 0; column < plan.item->n; column += plan.task_columns)
      for (int64_t row = begin; row < end; ++row) tasks.push_back({index, row * plan.task_rows, column});
  }
}

void deal_tasks(std::vector<ProductTask>& tasks, const std::vector<ProductPlan>& plans, int threads, TaskParts& parts) {
  const auto packed = [&](size_t task) { return plans[static_cast<size_t>(tasks[task].plan)].item->packed != nullptr; };
  parts.runs.clear();  // where they end
  for (size_t i = 1; i <= tasks.size(); ++i)
    if (i == tasks.size() || packed(i) != packed(i - 1)) parts.runs.push_back(static_cast<int64_t>(i));
  parts.spare.clear();
  parts.ends.clear();
  for (int part = 0; part < threads; ++part) {
    int64_t begin = 0, turn = 0;  // turn: the thread that has one more of the next run, where it does not divide
    for (const int64_t end : parts.runs) {
      const int64_t n = end - begin;
      parts.spare.insert(parts.spare.end(), tasks.begin() + begin + (turn + n * part) / threads,
                         tasks.begin() + begin + (turn + n * (part + 1)) / threads);
      turn = (turn + n) % threads;
      begin = end;
    }
    parts.ends.push_back(static_cast<int64_t>(parts.spare.size()));
  }
  tasks.swap(parts.spare);
}

bool mix_tasks(std::vector<ProductTask>& tasks, const std::vector<ProductPlan>& plans,
               std::vector<ProductTask>& spare) {
  const auto reads = [&](const ProductTask& task) {
    return plans[static_cast<size_t>(task.plan)].item->m <= kReadingRows;
  };
  const auto readers = static_cast<size_t>(std::count_if(tasks.begin(), tasks.end(), reads));
  const size_t total[2] = {tasks.size() - readers, readers};  // those that multiply, those that read
  if (total[0] == 0 || total[1] == 0) return false;
  spare.clear();
  size_t done[2] = {0, 0}, next[2] = {0, 0};
  while (spare.size() < tasks.size()) {
    // The kind that is behind its share.
    const bool read = done[0] == total[0] || (done[1] < total[1] && done[1] * total[0] <= done[0] * total[1]);
    while (reads(tasks[next[read]]) != read) ++next[read];
    spare.push_back(tasks[next[read]++]);
    ++done[read];
  }
  tasks.swap(spare);
  return true;
}

void add_packing(std::vector<PackTask>& tasks, int32_t item, bool is_b, const PackSource& source, int64_t outer) {
  int64_t outer_step, k_step = std::max<int64_t>(source.k, 1);
  if (source.k_contiguous) {
    outer_step = std::clamp<int64_t>(round_up(kPackElements / k_step, kPanelColumns), kPanelColumns, 256);
  } else {
    outer_step = std::min<int64_t>(round_up(outer, kPanelColumns), 512);
    k_step = round_up(kPackElements / outer_step, kPackAlign);
  }
  for (int64_t k = 0; k < source.k; k += k_step)
    for (int64_t o = 0; o < outer; o += outer_step)
      tasks.push_back({item, is_b, {o, std::min(outer_step, outer - o), k, std::min(k_step, source.k - k)}});
}

}  // namespace nuri::cpu
