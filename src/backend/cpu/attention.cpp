// Attention forward on the CPU. A task is a run of queries of one sequence for one head, or for the heads that share a
// key, against all keys they see: a block of keys in rows is packed once and meets all rows of the task; in panels it
// is used where it lies, and so are latents in rows by one query of few heads. A single query takes several heads, as
// their keys lie side by side in memory. Where tasks are too few for the threads (decode of a long context), segments
// of keys become tasks of their own and are merged after them.
#include <algorithm>

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
// Up to so many heads of one query, keys are turned where they cannot be read in place: as a panel of 16, the heads
// would leave most lanes empty.
constexpr int64_t kFewHeads = 8;

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
        pack_(args.precision),
        shares_keys_(args.k_head == 0 && args.v_head == 0),
        columns_(round_up_16(args.d_v)),
        plan_(plan_attention(args, shares_keys_, columns_)) {}

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
    cutter.take(room.keys, kKeyBlock * key_words(args_.d_k));
    cutter.take(room.keys_shared, kKeyBlock * key_words(d_shared));
    cutter.take(room.values, pack_.depth(kKeyBlock) * columns_);
    state(room.segment);
    if (plan_.merging) state(room.all);
    cutter.take(room.visible, rows);
    cutter.take(room.out, rows);
    cutter.take(room.lse, rows);
    cutter.take(room.row_max, rows);
  }

  /// One query whose many heads share keys that lie in rows: the keys stay rows, the heads become panels.
  bool keys_in_rows(const Task& task) const {
    return shares_keys_ && !panels() && task.queries == 1 && task.heads > kFewHeads;
  }
  /// One query whose few heads share keys that lie in rows of BF16: neither they nor the values are packed.
  bool latents_in_place(const Task& task) const {
    return kernels_.attend_latents && pack_.bf16() && shares_keys_ && !panels() && args_.kv_dtype == DType::bf16 &&
           task.queries == 1 && task.heads <= kLatentHeads && args_.d_k % 8 == 0 && args_.d_shared % 8 == 0 &&
           args_.d_v % 32 == 0;
  }
  /// Words between keys packed in rows: an odd number of cache lines, so that those of a tile fall into different sets.
  int64_t key_words(int64_t width) const { return pack_.row_words(width) | 16; }

  /// Rows of a task: queries ascending, for each its heads.
  void pack_queries(const Task& task, const Room& room) const {
    auto pack = [&](int64_t at, int64_t width, uint32_t* out) {
      const int64_t stride = pack_.row_words(width);
      const float* q = args_.q + (task.sequence->first_row + task.first) * args_.q_row + task.head * args_.q_head + at;
      if (keys_in_rows(task) || latents_in_place(task)) {
        pack_.turned({q, false, args_.q_head, task.heads, width}, out);
        return;
      }
      if (task.heads == 1) {
        pack_.rows({q, false, args_.q_row, task.queries, width}, out, stride);
        return;
      }
      for (int64_t i = 0; i < task.queries; ++i)
        pack_.rows({q + i * args_.q_row, false, args_.q_head, task.heads, width}, out + i * task.heads * stride,
                   stride);
    };
    pack(0, args_.d_k, room.q);
    if (args_.d_shared) pack(args_.d_k, args_.d_shared, room.q_shared);
  }

  const char* at(const void* data, int64_t elements) const {
    return static_cast<const char*>(data) + static_cast<size_t>(elements) * dtype_bytes(args_.kv_dtype);
  }
  bool panels() const { return args_.layout == KeyLayout::panels; }
  /// The cache holds pairs, the level multiplies floats.
  bool splits_pairs() const { return panels() && pack_.bf16() && !pack_.pairs(); }

  /// Lines of 64 bytes that will be read next.
  struct Lines {
    const void* data = nullptr;
    int64_t count = 0;
  };
  Lines lines(const void* data, int64_t elements) const {
    return {data, (elements * static_cast<int64_t>(dtype_bytes(args_.kv_dtype)) + 63) / 64};
  }

  /// k or k_shared of a block (rows of `width`) as words: panels along the width, or rows. ahead: those of the block
  /// that comes after it.
  const uint32_t* keys_of(const void* data, int64_t stride, int64_t n_keys, int64_t width, bool as_rows, Lines ahead,
                          uint32_t* room) const {
    if (!panels()) {
      const PackMatrix keys{data, args_.kv_dtype == DType::bf16, stride, n_keys, width, ahead.data, ahead.count};
      if (as_rows)
        pack_.rows(keys, room, key_words(width));
      else
        pack_.turned(keys, room);
      return room;
    }
    const auto* words = static_cast<const uint32_t*>(data);
    if (!splits_pairs()) return words;
    pack_.split(words, (n_keys + kPanelColumns - 1) / kPanelColumns, width, room);
    return room;
  }

  /// Operands of one head against a block.
  struct Panels {
    const uint32_t* keys;
    const uint32_t* values;
    int64_t value_words;
    int64_t key_rows = 0;  ///< keys, where they are rows
    Lying keys_lie = Lying::panels, values_lie = Lying::panels;
    int64_t value_row = 0;
    Lines next{};  ///< to ask for as the values are multiplied
  };
  Panels panels_of(const Task& task, int64_t head, const KeyBlock& block, int64_t n_keys, Lines ahead,
                   const Room& room) const {
    const bool as_rows = keys_in_rows(task);
    // One query reads each pair once: taking them all apart before would only write them and read them again.
    if (splits_pairs() && !shares_keys_ && task.queries == 1 && n_keys == kKeyBlock)
      return {.keys = reinterpret_cast<const uint32_t*>(at(block.k, head * args_.k_head)),
              .values = reinterpret_cast<const uint32_t*>(at(block.v, head * args_.v_head)),
              .value_words = kKeyBlock,
              .keys_lie = Lying::pairs,
              .values_lie = Lying::pairs};
    const uint32_t* keys =
        keys_of(at(block.k, head * args_.k_head), args_.k_row, n_keys, args_.d_k, as_rows, ahead, room.keys);
    const char* v = at(block.v, head * args_.v_head);
    // Latents are key and value: as floats in rows they serve as both.
    if (as_rows && !pack_.pairs() && block.v == block.k && args_.v_row == args_.k_row && columns_ == args_.d_v &&
        args_.d_v <= args_.d_k)
      return {.keys = keys,
              .values = keys,
              .value_words = n_keys,
              .key_rows = n_keys,
              .values_lie = Lying::rows,
              .value_row = key_words(args_.d_k)};
    if (!panels()) {
      pack_.straight({v, args_.kv_dtype == DType::bf16, args_.v_row, n_keys, args_.d_v}, room.values);
      return {keys, room.values, pack_.depth(n_keys), as_rows ? n_keys : 0};
    }
    const auto* words = reinterpret_cast<const uint32_t*>(v);
    if (!splits_pairs()) return {keys, words, pack_.depth(kKeyBlock)};
    pack_.split(words, columns_ / kPanelColumns, kKeyBlock, room.values);
    return {keys, room.values, kKeyBlock};
  }

  void attend(const Task& task, const Room& room) const {
    pack_queries(task, room);
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
    if (latents_in_place(task)) {
      attend_latents(task, key, first, block, room, state);
      return;
    }
    const uint32_t* shared = nullptr;
    const bool as_rows = keys_in_rows(task);
    Lines next, next_shared;
    const bool early = args_.d_k <= kNarrowKeys;
    if (shares_keys_ && !panels() && task.queries == 1)
      if (const Ahead ahead = block_behind(task, key); ahead.block) {
        next = lines(ahead.block->k, ahead.keys * args_.k_row);
        if (early) next_shared = lines(ahead.block->k_shared, ahead.keys * args_.shared_row);
      }
    if (args_.d_shared)
      shared =
          keys_of(block.k_shared, args_.shared_row, n_keys, args_.d_shared, as_rows, next_shared, room.keys_shared);
    if (task.heads == 1 || shares_keys_) {
      Panels panels = panels_of(task, task.head, block, n_keys, early ? next : Lines{}, room);
      if (!early) panels.next = next;
      attend_queries(task, key, first, panels, shared, room, state);
      return;
    }
    const int32_t visible = static_cast<int32_t>(n_keys);  // of the one query
    for (int64_t i = 0; i < task.heads; ++i) {
      attend_rows(i, i + 1, n_keys < kKeyBlock ? &visible : nullptr, first,
                  panels_of(task, task.head + i, block, n_keys, {}, room), shared, room, state);
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
        const Lines next = lines(data, ahead.keys * keys.stride);
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
      if (panels.key_rows) return {keys, key_words(width), q, depth};
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
  const Packer pack_;
  const bool shares_keys_;
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
