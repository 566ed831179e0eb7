// Matrix products on the CPU: the same driver for every level. One call runs many independent products as at most two
// parallel regions: activations are packed (rounded, gathered, turned) once each, here or in the only task that needs
// them, and tiles of C are claimed by the threads. A tile runs over all of k in blocks that reload C, so that neither
// tile nor thread shows in the bits.
#include "backend/cpu/products.h"

#include <cstring>

#include "backend/cpu/cpu.h"
#include "backend/cpu/levels.h"
#include "backend/cpu/products_plan.h"
#include "base/profile.h"
#include "base/threads.h"

namespace nuri::cpu {
namespace {

constexpr int64_t kLeastPack = 32 * 1024;  // elements; less is packed by the caller alone

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

/// Kept between calls, so that the steady state allocates nothing.
struct Workspace {
  std::vector<ProductPlan> plans;
  std::vector<PackTask> packing;
  std::vector<ProductTask> tasks;
  TaskParts parts;
  Scratch scratch;
};
Workspace& workspace() {
  thread_local Workspace space;
  return space;
}

/// Packs a part of A.
void pack_a(const ProductPlan& plan, const PackSource& source, const PackPart& part, uint32_t* out, int64_t stride,
            const ProductKernels& kernels) {
  if (plan.a_turned)
    kernels.pack_panels(source, plan.a_words, false, part, out, stride);
  else
    kernels.pack_rows(source, plan.a_words, part, out, stride);
}

void pack_part(const ProductPlan& plan, const PackTask& task, uint32_t* scratch, const ProductKernels& kernels) {
  const profile::Doing packing(profile::Activity::packing);
  const ProductArgs& item = *plan.item;
  if (!task.is_b) {
    pack_a(plan, plan.a_source, task.part, scratch + plan.a_offset, plan.a_stride(item.k), kernels);
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

/// Packed operands of a task, from its first row, column and k on.
struct PackedOperands {
  const uint32_t* a;
  int64_t a_stride;
  const uint32_t* b;
  int64_t panel_stride;
};

/// The products of a task over `k_count` of k, added to C where `onto_c`.
void multiply(const ProductPlan& plan, const ProductTask& task, const PackedOperands& packed, int64_t k_count,
              bool onto_c, const ProductKernels& kernels) {
  const ProductArgs& item = *plan.item;
  kernels.multiply({.pairs = plan.pairs,
                    .rows = std::min(plan.task_rows, item.m - task.row),
                    .columns = std::min(plan.task_columns, item.n - task.column),
                    .words = plan.words(k_count),
                    .tile_rows = plan.tile_rows,
                    .a_turned = plan.a_turned,
                    .a = packed.a,
                    .a_stride = packed.a_stride,
                    .b = packed.b,
                    .panel_stride = packed.panel_stride,
                    .c = item.c + task.row * item.c_stride + task.column,
                    .c_stride = item.c_stride,
                    .accumulate = onto_c});
}

void run_task(const ProductPlan& plan, const ProductTask& task, const uint32_t* scratch,
              const ProductKernels& kernels) {
  const ProductArgs& item = *plan.item;
  const int64_t a_stride = plan.a_stride(item.k);
  const uint32_t* a = scratch + plan.a_offset + (plan.a_turned ? task.row / kPanelColumns : task.row) * a_stride;
  const uint32_t* b = plan.packs_b ? scratch + plan.b_offset : plan.b;
  multiply(plan, task, {a, a_stride, b + task.column / kPanelColumns * plan.panel_stride, plan.panel_stride}, item.k,
           item.accumulate, kernels);
}

/// Packs and multiplies plan.fused_k of k at a time.
void run_fused_task(const ProductPlan& plan, const ProductTask& task, uint32_t* scratch,
                    const ProductKernels& kernels) {
  const ProductArgs& item = *plan.item;
  const int64_t rows = std::min(plan.task_rows, item.m - task.row);
  const int64_t columns = std::min(plan.task_columns, item.n - task.column);
  uint32_t* const own_b = scratch + plan.a_size(rows, plan.fused_k);
  for (int64_t k = 0; k < item.k; k += plan.fused_k) {
    const int64_t k_count = std::min(plan.fused_k, item.k - k);
    const PackPart all_of_a{0, rows, 0, k_count}, all_of_b{0, columns, 0, k_count};
    PackedOperands packed{scratch, plan.a_stride(k_count), own_b, plan.b_panel(k_count)};
    {
      const profile::Doing packing(profile::Activity::packing);
      pack_a(plan, slice(plan.a_source, task.row, k, k_count), all_of_a, scratch, packed.a_stride, kernels);
      if (plan.packs_b)
        kernels.pack_panels(slice(plan.b_source, task.column, k, k_count), plan.b_words, true, all_of_b, own_b,
                            packed.panel_stride);
    }
    if (!plan.packs_b) {
      packed.b = plan.b + task.column / kPanelColumns * plan.panel_stride + plan.words(k) * kPanelColumns;
      packed.panel_stride = plan.panel_stride;
    }
    multiply(plan, task, packed, k_count, item.accumulate || k > 0, kernels);
  }
}

void products(std::span<const ProductArgs> items) {
  const ProductKernels& kernels = level_kernels();
  Workspace& space = workspace();
  space.plans.clear();
  space.packing.clear();
  space.tasks.clear();
  int64_t cost = 0, shared_words = 0, own_words = 0, pack_elements = 0;
  for (const ProductArgs& item : items)
    if (item.m > 0 && item.n > 0) cost += cost_of(item);
  for (const ProductArgs& item : items) {
    if (item.m <= 0 || item.n <= 0) continue;
    const auto index = static_cast<int32_t>(space.plans.size());
    ProductPlan& plan = space.plans.emplace_back(make_plan(item, kernels, cost, thread_count()));
    add_tasks(space.tasks, plan, index, thread_count());
    if (plan.fused_k > 0) {
      const int64_t rows = std::min(plan.task_rows, item.m);
      own_words = std::max(own_words, plan.a_size(rows, plan.fused_k) + plan.b_size(item.n, plan.fused_k));
      continue;
    }
    plan.a_offset = shared_words;
    plan.b_offset = plan.a_offset + plan.a_size(item.m, item.k);
    shared_words = plan.b_offset + plan.b_size(item.n, item.k);
    add_packing(space.packing, index, false, plan.a_source, item.m);
    pack_elements += item.m * item.k;
    if (plan.packs_b) {
      add_packing(space.packing, index, true, plan.b_source, item.n);
      pack_elements += item.n * item.k;
    }
  }
  const bool mixed = mix_tasks(space.tasks, space.plans, space.parts.spare);
  if (!mixed) deal_tasks(space.tasks, space.plans, thread_count(), space.parts);
  own_words = round_up(own_words, 16);
  const int64_t words = own_words * thread_count() + shared_words;
  uint32_t* const own = space.scratch.take(static_cast<size_t>(words) * 4);
  if (meta_active()) return;
  uint32_t* const shared = own + own_words * thread_count();

  const auto pack_task = [&](int64_t t) {
    const PackTask& task = space.packing[static_cast<size_t>(t)];
    pack_part(space.plans[static_cast<size_t>(task.item)], task, shared, kernels);
  };
  const auto n_packing = static_cast<int64_t>(space.packing.size());
  if (pack_elements < kLeastPack)
    for (int64_t t = 0; t < n_packing; ++t) pack_task(t);
  else
    parallel_parts(n_packing, pack_task);
  const auto run = [&](int64_t t) {
    const ProductTask& task = space.tasks[static_cast<size_t>(t)];
    const ProductPlan& plan = space.plans[static_cast<size_t>(task.plan)];
    if (plan.fused_k > 0)
      run_fused_task(plan, task, own + own_words * thread_index(), kernels);
    else
      run_task(plan, task, shared, kernels);
  };
  if (mixed)
    parallel_parts(static_cast<int64_t>(space.tasks.size()), run);
  else
    parallel_parts(space.parts.ends, run);
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
  parallel_parts(static_cast<int64_t>(tasks.size()), [&](int64_t t) {
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
