// Attention forward on the CPU. A task is a run of queries of one sequence for one head, or for the heads that share a
// key, against all keys they see: a block of keys in rows is packed once and meets all rows of the task; in panels it
// is used where it lies, and so are latents in rows by one query of few heads. A single query takes several heads, as
// their keys lie side by side in memory. Where tasks are too few for the threads (decode of a long context), segments
// of keys become tasks of their own and are merged after them.
#include <algorithm>

#include "backend/cpu/attention_operands.h"
#include "backend/cpu/attention_plan.h"
#include "backend/cpu/attention_scratch.h"
#include "backend/cpu/cpu.h"
#include "base/threads.h"

namespace nuri::cpu {

void attention_grad(const AttentionGradArgs& args);  // attention_grad.cpp

namespace {

// Keys of a decoded token come from memory, a block ahead: narrow ones are asked for as the block before is packed, as
// few tiles of values follow; wide ones as its values are multiplied, so that packing need not wait for them.
constexpr int64_t kNarrowKeys = 128;

using Lines = AttentionOperands::Lines;
using Panels = AttentionOperands::Panels;
using Task = AttentionTask;

/// The softmax state of rows: m, l [rows], o [rows, columns].
struct State {
  float* m;
  float* l;
  float* o;
};

/// Arrays of one thread.
struct Room {
  uint32_t* q;         // [rows, q_stride]
  uint32_t* q_shared;  // [rows, shared_stride]
  uint32_t* keys;
  uint32_t* keys_shared;
  uint32_t* values;
  State segment, all;
  int32_t* visible;  // [rows]
  float** out;       // [rows]
  float* lse;        // [rows]
  float* row_max;    // [rows]
};

class Forward {
 public:
  explicit Forward(const AttentionArgs& args)
      : args_(args),
        kernels_(attention_level()),
        operands_(args),
        pack_(operands_.packer()),
        columns_(operands_.columns()),
        plan_(plan_attention(args, operands_.share_keys(), columns_)) {}

  void run() {
    if (plan_.tasks.empty()) return;
    Cutter sizes;
    Room unused;
    cut(sizes, unused);
    const Scratch rooms(sizes.used() * static_cast<size_t>(thread_count()));
    const Scratch partials(static_cast<size_t>(plan_.partial_floats) * sizeof(float));
    if (meta_active()) return;
    auto room_here = [&] {
      Cutter cutter(rooms.data() + sizes.used() * static_cast<size_t>(thread_index()));
      Room room;
      cut(cutter, room);
      return room;
    };
    for (auto& [task, at] : plan_.partial_at)
      plan_.tasks[task].partial = reinterpret_cast<float*>(partials.data()) + at;
    parallel_parts(plan_.ends, [&](int64_t i) { attend(plan_.tasks[static_cast<size_t>(i)], room_here()); });
    parallel_parts(static_cast<int64_t>(plan_.merges.size()),
                   [&](int64_t i) { merge_partials(plan_.merges[static_cast<size_t>(i)], room_here()); });
  }

 private:
  void cut(Cutter& cutter, Room& room) const {
    const int64_t rows = plan_.most_rows, d_shared = args_.d_shared;
    auto state = [&](State& s) {
      cutter.take(s.m, rows);
      cutter.take(s.l, rows);
      cutter.take(s.o, rows * columns_);
    };
    cutter.take(room.q, round_up_16(rows) * pack_.row_words(args_.d_k));
    cutter.take(room.q_shared, round_up_16(rows) * pack_.row_words(d_shared));
    cutter.take(room.keys, kKeyBlock * operands_.key_words(args_.d_k));
    cutter.take(room.keys_shared, kKeyBlock * operands_.key_words(d_shared));
    cutter.take(room.values, pack_.depth(kKeyBlock) * columns_);
    state(room.segment);
    if (plan_.merging) state(room.all);
    cutter.take(room.visible, rows);
    cutter.take(room.out, rows);
    cutter.take(room.lse, rows);
    cutter.take(room.row_max, rows);
  }

  void attend(const Task& task, const Room& room) const {
    operands_.pack_queries(task, room.q, room.q_shared);
    State state = room.segment;
    if (task.partial) state = partial_state(task.partial, task.rows());
    for (int64_t segment = task.segment; segment < task.end_segment; ++segment) {
      const int64_t end = std::min(task.n_keys(), (segment + 1) * kSegmentKeys);
      for (int64_t key = segment * kSegmentKeys; key < end; key += kKeyBlock)
        attend_block(task, key, key == segment * kSegmentKeys, room, state);
      if (task.end_segment > 1 && !task.partial) merge(task, segment, state, room.all);
    }
    if (!task.partial) finish(task, task.end_segment > 1 ? room.all : state, room);
  }

  /// A block and its keys; null: none.
  struct Ahead {
    const KeyBlock* block = nullptr;
    int64_t keys = 0;
  };
  /// What this thread will probably meet after the block at `key`: of the task, or of the task it will claim.
  Ahead block_behind(const Task& task, int64_t key) const {
    const int64_t next = key + kKeyBlock;
    if (next < std::min(task.n_keys(), task.end_segment * kSegmentKeys))
      return {&task.sequence->blocks[next / kKeyBlock], keys_in(task, next)};
    const int64_t claimed = &task - plan_.tasks.data() + 1;
    if (claimed >= static_cast<int64_t>(plan_.tasks.size())) return {};
    const Task& other = plan_.tasks[static_cast<size_t>(claimed)];
    const int64_t first = other.segment * kSegmentKeys;
    return {&other.sequence->blocks[first / kKeyBlock], keys_in(other, first)};
  }

  int64_t keys_in(const Task& task, int64_t key) const { return std::min(kKeyBlock, task.n_keys() - key); }

  void attend_block(const Task& task, int64_t key, bool first, const Room& room, const State& state) const {
    const KeyBlock& block = task.sequence->blocks[key / kKeyBlock];
    const int64_t n_keys = keys_in(task, key);
    if (operands_.latents_in_place(task)) {
      attend_latents(task, key, first, block, room, state);
      return;
    }
    const uint32_t* shared = nullptr;
    const bool as_rows = operands_.keys_in_rows(task);
    Lines next, next_shared;
    const bool early = args_.d_k <= kNarrowKeys;
    if (operands_.share_keys() && !operands_.panels() && task.queries == 1)
      if (const Ahead ahead = block_behind(task, key); ahead.block) {
        next = operands_.lines(ahead.block->k, ahead.keys * args_.k_row);
        if (early) next_shared = operands_.lines(ahead.block->k_shared, ahead.keys * args_.shared_row);
      }
    if (args_.d_shared)
      shared = operands_.keys_of(block.k_shared, args_.shared_row, n_keys, args_.d_shared, as_rows, next_shared,
                                 room.keys_shared);
    if (task.heads == 1 || operands_.share_keys()) {
      Panels panels =
          operands_.panels_of(task, task.head, block, n_keys, early ? next : Lines{}, room.keys, room.values);
      if (!early) panels.next = next;
      attend_queries(task, key, first, panels, shared, room, state);
      return;
    }
    const int32_t visible = static_cast<int32_t>(n_keys);  // of the one query
    for (int64_t i = 0; i < task.heads; ++i) {
      attend_rows(i, i + 1, n_keys < kKeyBlock ? &visible : nullptr, first,
                  operands_.panels_of(task, task.head + i, block, n_keys, {}, room.keys, room.values), shared, room,
                  state);
    }
  }

  void attend_latents(const Task& task, int64_t key, bool first, const KeyBlock& block, const Room& room,
                      const State& state) const {
    LatentTile tile{
        .heads = task.heads,
        .n_keys = keys_in(task, key),
        .keys = {{.data = block.k, .stride = args_.k_row, .columns = args_.d_k, .q = room.q},
                 {.data = block.k_shared, .stride = args_.shared_row, .columns = args_.d_shared, .q = room.q_shared}},
        .scale = args_.scale,
        .values = block.v,
        .value_stride = args_.v_row,
        .value_columns = args_.d_v,
        .first = first,
        .m = state.m,
        .l = state.l,
        .o = state.o,
        .o_stride = columns_};
    if (const Ahead ahead = block_behind(task, key); ahead.block) {
      const auto ask = [&](LatentKeys& keys, const void* data) {
        const Lines next = operands_.lines(data, ahead.keys * keys.stride);
        keys.next = next.data;
        keys.next_lines = next.count;
      };
      ask(tile.keys[0], ahead.block->k);
      ask(tile.keys[1], ahead.block->k_shared);
    }
    kernels_.attend_latents(tile);
  }

  /// Rows that see a part of the block, then rows that see all of it.
  void attend_queries(const Task& task, int64_t key, bool first, const Panels& panels, const uint32_t* shared,
                      const Room& room, const State& state) const {
    const int64_t begin = task.first_row_seeing(key);
    const int64_t whole = std::min(task.rows(), task.first_row_seeing(key + kKeyBlock - 1));
    for (int64_t row = begin; row < whole; ++row)
      room.visible[row] = static_cast<int32_t>(task.first_position() + row / task.heads - key + 1);
    attend_rows(begin, whole, room.visible + begin, first, panels, shared, room, state);
    attend_rows(whole, task.rows(), nullptr, first, panels, shared, room, state);
  }

  void attend_rows(int64_t begin, int64_t end, const int32_t* visible, bool first, const Panels& panels,
                   const uint32_t* shared, const Room& room, const State& state) const {
    if (begin >= end) return;
    const auto part = [&](const uint32_t* q, const uint32_t* keys, int64_t width, Lying lie) -> ChainPart {
      const int64_t stride = pack_.row_words(width), depth = pack_.depth(width);
      if (panels.key_rows) return {keys, operands_.key_words(width), q, depth};
      return {q + begin * stride, stride, keys, depth, lie};
    };
    kernels_.attend({.bf16 = pack_.bf16(),
                     .rows = end - begin,
                     .visible = visible,
                     .scores = {part(room.q, panels.keys, args_.d_k, panels.keys_lie),
                                part(room.q_shared, shared, args_.d_shared, Lying::panels)},
                     .key_rows = panels.key_rows,
                     .scale = args_.scale,
                     .values = panels.values,
                     .value_words = panels.value_words,
                     .value_panels = columns_ / 16,
                     .values_lie = panels.values_lie,
                     .value_row = panels.value_row,
                     .next = panels.next.data,
                     .next_lines = panels.next.count,
                     .first = first,
                     .m = state.m + begin,
                     .l = state.l + begin,
                     .o = state.o + begin * columns_,
                     .o_stride = columns_});
  }

  State partial_state(float* data, int64_t rows) const { return {data, data + rows, data + 2 * rows}; }

  void merge(const Task& task, int64_t segment, const State& from, const State& into) const {
    const int64_t row = task.first_row_seeing(segment * kSegmentKeys);
    kernels_.merge({.rows = task.rows() - row,
                    .columns = columns_,
                    .first = segment == 0,
                    .m = from.m + row,
                    .l = from.l + row,
                    .o = from.o + row * columns_,
                    .o_stride = columns_,
                    .all_m = into.m + row,
                    .all_l = into.l + row,
                    .all_o = into.o + row * columns_,
                    .all_stride = columns_});
  }

  void merge_partials(const AttentionMerge& m, const Room& room) const {
    for (int64_t segment = 0; segment < m.task.end_segment; ++segment) {
      const Task& part = plan_.tasks[m.first_partial + static_cast<size_t>(segment)];
      merge(m.task, segment, partial_state(part.partial, m.task.rows()), room.all);
    }
    finish(m.task, room.all, room);
  }

  void finish(const Task& task, const State& state, const Room& room) const {
    const int64_t token = task.sequence->first_row + task.first;
    for (int64_t row = 0; row < task.rows(); ++row)
      room.out[row] =
          args_.out + (token + row / task.heads) * args_.out_row + (task.head + row % task.heads) * args_.out_head;
    kernels_.finish({.rows = task.rows(),
                     .columns = args_.d_v,
                     .m = state.m,
                     .l = state.l,
                     .o = state.o,
                     .o_stride = columns_,
                     .out = room.out,
                     .lse = room.lse,
                     .row_max = room.row_max});
    for (int64_t row = 0; row < task.rows(); ++row) {
      const int64_t at = (token + row / task.heads) * args_.n_heads + task.head + row % task.heads;
      if (args_.lse) args_.lse[at] = room.lse[row];
      if (args_.row_max) args_.row_max[at] = room.row_max[row];
    }
  }

  const AttentionArgs& args_;
  const AttentionKernels& kernels_;
  const AttentionOperands operands_;
  const Packer& pack_;
  const int64_t columns_;  // of o: d_v in whole panels
  AttentionPlan plan_;
};

void attention(const AttentionArgs& args) { Forward(args).run(); }

}  // namespace

void add_attention(KernelTable& table) {
  table.attention = attention;
  table.attention_grad = attention_grad;
}

}  // namespace nuri::cpu
