// Matrix products on the CPU: the same driver for every level. One call runs many independent products as at most two
// parallel regions: activations are packed (rounded, gathered, turned) once each, then tiles of C are claimed by the
// threads. A tile runs over all of k in blocks that reload C, so that neither tile nor thread shows in the bits.
#include "backend/cpu/products.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "backend/cpu/cpu.h"
#include "backend/cpu/levels.h"
#include "base/error.h"
#include "base/threads.h"

namespace nuri::cpu {
namespace {

// Cost of a task in multiply-adds: below kLeastTask handing it out would show (some microseconds); with enough work
// each thread gets about kTasksPerThread, so that the last one does not keep the others waiting.
constexpr int64_t kLeastTask = 256 * 1024;
constexpr int64_t kTasksPerThread = 8;
constexpr int64_t kTaskRows = 168, kTaskColumns = 256;  // at most: A and B of one pass stay in L2
constexpr int64_t kMemoryRows = 16;                     // reading B costs about as much as multiplying this many rows
constexpr int64_t kPackElements = 32 * 1024;            // of one packing task, about
constexpr int64_t kLeastPack = 32 * 1024;               // elements; less is packed by the caller alone

const ProductKernels& level_kernels() {
  return pick(portable::product_kernels, avx2::product_kernels, avx512::product_kernels, avx512_bf16::product_kernels);
}

/// Memory of one thread's products, kept between calls and grown when too small; a dry run counts what would be kept.
class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { release(real_.data, real_.bytes, Owner::scratch); }
  uint32_t* take(size_t bytes) {
    Block& block = meta_active() ? meta_ : real_;
    if (block.scope != meta_scope()) block = {};
    if (bytes > block.bytes) {
      release(block.data, block.bytes, Owner::scratch);
      block = {};
      bytes += bytes / 8;  // the load of experts differs from step to step
      block = {allocate(bytes, Owner::scratch), bytes, meta_scope()};
    }
    return static_cast<uint32_t*>(block.data);
  }

 private:
  struct Block {
    void* data = nullptr;
    size_t bytes = 0;
    uint64_t scope = 0;  // of the dry run; the real block has 0
  };
  Block real_, meta_;
};

/// How one product runs: where its packed operands lie and how C is cut.
struct Plan {
  const ProductArgs* item = nullptr;
  PackSource a_source, b_source;
  Words a_words = Words::floats, b_words = Words::floats;
  bool pairs = false;     // B holds pairs of BF16, else a float a word
  int64_t words = 0;      // of B along k
  bool a_turned = false;  // A in panels
  int64_t a_stride = 0;   // words between packed rows, or panels, of A
  int64_t a_offset = 0;   // words into the scratch
  int64_t b_offset = -1;  // words into the scratch; -1: B is used where it lies
  const uint32_t* b = nullptr;
  int64_t panel_stride = 0;
  int64_t tile_rows = 0, task_rows = 0, task_columns = 0;
};

struct Tile {
  int32_t plan;
  int64_t row, column;
};
struct PackTask {
  int32_t item;
  bool is_b;
  PackPart part;
};

/// Kept between calls, so that the steady state allocates nothing.
struct Workspace {
  std::vector<Plan> plans;
  std::vector<PackTask> packing;
  std::vector<Tile> tiles;
  Scratch scratch;
};
Workspace& workspace() {
  thread_local Workspace space;
  return space;
}

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }

PackSource source_of(const Operand& operand, bool outer_is_row, int64_t k) {
  NURI_ASSERT(operand.dtype == DType::f32 || operand.dtype == DType::bf16, "products read f32 and bf16");
  return {.data = operand.data,
          .bf16 = operand.dtype == DType::bf16,
          .stride = operand.stride,
          .rows = operand.rows,
          .k_contiguous = outer_is_row != operand.transposed,
          .k = k};
}

/// Words of memory for k elements of a row or panel column; rounded floats are written two at a time.
int64_t words_held(Words words, int64_t k) {
  return words == Words::pairs ? (k + 1) / 2 : words == Words::rounded ? round_up(k, 2) : k;
}

/// B lies packed, but an odd k ends inside it: the last pair's second half is another row's, not the padding.
bool ends_inside_pair(const ProductArgs& item) {
  return item.packed && item.precision == Precision::bf16 && (item.k & 1) && item.packed_k + item.k < item.packed->k;
}

Plan make_plan(const ProductArgs& item, const ProductKernels& kernels, int64_t& scratch_words) {
  const bool bf16 = item.precision == Precision::bf16;
  Plan plan;
  plan.item = &item;
  // A B that is packed for this product alone is made of what the level multiplies: pairs would be taken apart again.
  plan.pairs = bf16 && (kernels.pairs || item.packed);
  plan.words = plan.pairs ? (item.k + 1) / 2 : item.k;
  plan.a_words = !bf16 ? Words::floats : kernels.pairs ? Words::pairs : Words::rounded;
  plan.b_words = !bf16 ? Words::floats : plan.pairs ? Words::pairs : Words::rounded;
  plan.a_source = source_of(item.a, true, item.k);
  const int64_t a_row = words_held(plan.a_words, item.k);
  plan.a_turned = !plan.a_source.k_contiguous;
  // Rows: an odd number of cache lines, so that those of a tile fall into different sets of the cache.
  plan.a_stride = plan.a_turned ? a_row * kPanelColumns : (divide_up(a_row, 16) | 1) * 16;
  plan.a_offset = scratch_words;
  scratch_words += (plan.a_turned ? divide_up(item.m, kPanelColumns) : item.m) * plan.a_stride;
  plan.panel_stride = words_held(plan.b_words, item.k) * kPanelColumns;
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
  if (!item.packed || ends_inside_pair(item)) {
    plan.b_offset = scratch_words;
    scratch_words += divide_up(item.n, kPanelColumns) * plan.panel_stride;
  }
  plan.tile_rows = plan.a_turned ? kPanelColumns  // else all tiles of about the same height
                                 : divide_up(item.m, divide_up(item.m, kernels.max_tile_rows));
  return plan;
}

int64_t cost_of(const ProductArgs& item) { return (item.m + kMemoryRows) * item.n * item.k; }

/// Cuts C into tasks of about `grain` multiply-adds, columns outside, so that threads share the panels they read.
void add_tiles(std::vector<Tile>& tiles, Plan& plan, int32_t index, int64_t grain) {
  const ProductArgs& item = *plan.item;
  const int64_t max_rows = std::max<int64_t>(plan.tile_rows, kTaskRows / plan.tile_rows * plan.tile_rows);
  plan.task_rows = std::min(round_up(divide_up(item.m, divide_up(item.m, max_rows)), plan.tile_rows), max_rows);
  plan.task_columns = std::min(kTaskColumns, round_up(item.n, kPanelColumns));
  const auto cost = [&] { return (std::min(plan.task_rows, item.m) + kMemoryRows) * plan.task_columns * item.k; };
  while (cost() > grain && plan.task_rows > 4 * plan.tile_rows)
    plan.task_rows = round_up(divide_up(plan.task_rows, 2), plan.tile_rows);
  while (cost() > grain && plan.task_columns > 64)
    plan.task_columns = round_up(divide_up(plan.task_columns, 2), 4 * kPanelColumns);
  for (int64_t column = 0; column < item.n; column += plan.task_columns)
    for (int64_t row = 0; row < item.m; row += plan.task_rows) tiles.push_back({index, row, column});
}

/// Cuts the packing of an operand [outer, k] into tasks. Memory rows are read whole, or in long runs.
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

void pack_part(const Plan& plan, const PackTask& task, uint32_t* scratch, const ProductKernels& kernels) {
  const ProductArgs& item = *plan.item;
  if (!task.is_b) {
    uint32_t* out = scratch + plan.a_offset;
    if (plan.a_turned)
      kernels.pack_panels(plan.a_source, plan.a_words, false, task.part, out, plan.a_stride);
    else
      kernels.pack_rows(plan.a_source, plan.a_words, task.part, out, plan.a_stride);
    return;
  }
  uint32_t* out = scratch + plan.b_offset;
  if (!item.packed) {
    kernels.pack_panels(plan.b_source, plan.b_words, true, task.part, out, plan.panel_stride);
    return;
  }
  const int64_t source_stride = (item.packed->k + 1) / 2 * kPanelColumns, words = plan.panel_stride;
  const int64_t end = divide_up(task.part.outer + task.part.outer_count, kPanelColumns);
  for (int64_t panel = task.part.outer / kPanelColumns; panel < end; ++panel) {
    uint32_t* to = out + panel * words;
    std::memcpy(to, plan.b + panel * source_stride, static_cast<size_t>(words) * 4);
    for (int64_t i = words - kPanelColumns; i < words; ++i) to[i] = (to[i] & 0xFFFF0000u) | 0x8000u;  // -0
  }
}

void multiply_part(const Plan& plan, const Tile& task, const uint32_t* scratch, const ProductKernels& kernels) {
  const ProductArgs& item = *plan.item;
  const uint32_t* b = plan.b_offset >= 0 ? scratch + plan.b_offset : plan.b;
  kernels.multiply(
      {.pairs = plan.pairs,
       .rows = std::min(plan.task_rows, item.m - task.row),
       .columns = std::min(plan.task_columns, item.n - task.column),
       .words = plan.words,
       .tile_rows = plan.tile_rows,
       .a_turned = plan.a_turned,
       .a = scratch + plan.a_offset + (plan.a_turned ? task.row / kPanelColumns : task.row) * plan.a_stride,
       .a_stride = plan.a_stride,
       .b = b + task.column / kPanelColumns * plan.panel_stride,
       .panel_stride = plan.panel_stride,
       .c = item.c + task.row * item.c_stride + task.column,
       .c_stride = item.c_stride,
       .accumulate = item.accumulate});
}

void products(std::span<const ProductArgs> items) {
  const ProductKernels& kernels = level_kernels();
  Workspace& space = workspace();
  space.plans.clear();
  space.packing.clear();
  space.tiles.clear();
  int64_t scratch_words = 0, cost = 0, pack_elements = 0;
  for (const ProductArgs& item : items) {
    if (item.m <= 0 || item.n <= 0) continue;
    space.plans.push_back(make_plan(item, kernels, scratch_words));
    cost += cost_of(item);
  }
  uint32_t* scratch = space.scratch.take(static_cast<size_t>(scratch_words) * 4);
  if (meta_active()) return;
  const int64_t grain = std::max(kLeastTask, cost / (kTasksPerThread * thread_count()));
  for (size_t i = 0; i < space.plans.size(); ++i) {
    Plan& plan = space.plans[i];
    const ProductArgs& item = *plan.item;
    const int32_t index = static_cast<int32_t>(i);
    add_packing(space.packing, index, false, plan.a_source, item.m);
    pack_elements += item.m * item.k;
    if (plan.b_offset >= 0) {
      add_packing(space.packing, index, true, plan.b_source, item.n);
      pack_elements += item.n * item.k;
    }
    add_tiles(space.tiles, plan, index, grain);
  }

  const auto pack_task = [&](int64_t t) {
    const PackTask& task = space.packing[static_cast<size_t>(t)];
    pack_part(space.plans[static_cast<size_t>(task.item)], task, scratch, kernels);
  };
  const auto n_packing = static_cast<int64_t>(space.packing.size());
  if (pack_elements < kLeastPack)
    for (int64_t t = 0; t < n_packing; ++t) pack_task(t);
  else
    parallel_for(n_packing, pack_task);
  parallel_for(static_cast<int64_t>(space.tiles.size()), [&](int64_t t) {
    const Tile& task = space.tiles[static_cast<size_t>(t)];
    multiply_part(space.plans[static_cast<size_t>(task.plan)], task, scratch, kernels);
  });
}

void pack(std::span<const PackArgs> items) {
  if (meta_active()) return;
  const ProductKernels& kernels = level_kernels();
  std::vector<PackTask>& tasks = workspace().packing;
  tasks.clear();
  for (size_t i = 0; i < items.size(); ++i) {
    const PackedMatrix& packed = *items[i].packed;
    add_packing(tasks, static_cast<int32_t>(i), true, source_of(items[i].source, false, packed.k), packed.n);
  }
  parallel_for(static_cast<int64_t>(tasks.size()), [&](int64_t t) {
    const PackTask& task = tasks[static_cast<size_t>(t)];
    const PackArgs& item = items[static_cast<size_t>(task.item)];
    const PackedMatrix& packed = *item.packed;
    const bool bf16 = packed.precision == Precision::bf16;
    kernels.pack_panels(source_of(item.source, false, packed.k), bf16 ? Words::pairs : Words::floats, true, task.part,
                        static_cast<uint32_t*>(packed.data), (bf16 ? (packed.k + 1) / 2 : packed.k) * kPanelColumns);
  });
}

}  // namespace

void add_products(KernelTable& table) {
  table.pack = pack;
  table.products = products;
}

}  // namespace nuri::cpu
