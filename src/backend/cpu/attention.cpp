// Attention forward on the CPU. A task is a run of queries of one sequence for one head, or for the heads that share a
// key, against all keys they see: a block of keys in rows is packed once and meets all rows of the task; in panels it
// is used where it lies. A single query takes several heads, as their keys lie side by side in memory. Where tasks are
// too few for the threads (decode of a long context), segments of keys become tasks of their own and are merged after
// them.
#include <algorithm>
#include <vector>

#include "backend/cpu/attention_scratch.h"
#include "backend/cpu/cpu.h"
#include "base/threads.h"

namespace nuri::cpu {

void attention_grad(const AttentionGradArgs& args);  // attention_grad.cpp

namespace {

constexpr int64_t kSegmentKeys = kKeyBlock * kSegmentBlocks;
constexpr int64_t kTaskBytes = 256 * 1024;           // of queries and results of a task: they stay in L2
constexpr int64_t kLeastRows = 24, kMostRows = 512;  // of a task: packing a block costs about as much as 24 rows
constexpr int64_t kPartialFloats = 16 << 20;         // largest memory for segments that are merged later
constexpr int64_t kTasksPerThread = 4;
// Keys of a decoded token come from memory, a block ahead: narrow ones are asked for as the block before is packed, as
// few tiles of values follow; wide ones as its values are multiplied, so that packing need not wait for them.
constexpr int64_t kNarrowKeys = 128;
// Up to so many heads of one query, keys are turned: as a panel of 16, the heads would leave most lanes empty.
constexpr int64_t kFewHeads = 8;

/// Queries [first, first + queries) of a sequence for heads [head, head + heads), over segments [segment, end_segment).
/// Several heads: they share their keys, or there is one query.
struct Task {
  const AttentionSequence* sequence;
  int64_t head, heads, first, queries;
  int64_t segment, end_segment;
  float* partial;  // m, l [rows], o [rows, columns] of the one segment; null: the task finishes its rows

  int64_t rows() const { return queries * heads; }
  int64_t first_position() const { return sequence->first_position + first; }
  int64_t n_keys() const { return first_position() + queries; }
  int64_t cost() const { return rows() * n_keys(); }
  /// First row that sees the key at this position.
  int64_t first_row_seeing(int64_t position) const { return std::max<int64_t>(0, position - first_position()) * heads; }
};

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
        columns_(round_up_16(args.d_v)) {}

  void run() {
    plan();
    if (tasks_.empty()) return;
    Cutter sizes;
    Room unused;
    cut(sizes, unused);
    const Scratch rooms(sizes.used() * static_cast<size_t>(thread_count()));
    const Scratch partials(static_cast<size_t>(partial_floats_) * sizeof(float));
    if (meta_active()) return;
    auto room_here = [&] {
      Cutter cutter(rooms.data() + sizes.used() * static_cast<size_t>(thread_index()));
      Room room;
      cut(cutter, room);
      return room;
    };
    for (auto& [task, at] : partial_at_) tasks_[task].partial = reinterpret_cast<float*>(partials.data()) + at;
    parallel_for(static_cast<int64_t>(tasks_.size()),
                 [&](int64_t i) { attend(tasks_[static_cast<size_t>(i)], room_here()); });
    parallel_for(static_cast<int64_t>(merges_.size()),
                 [&](int64_t i) { merge_partials(merges_[static_cast<size_t>(i)], room_here()); });
  }

 private:
  struct Merge {
    Task task;  // over all segments
    size_t first_partial;
  };

  void plan() {
    int64_t total_rows = 0;
    for (const AttentionSequence& s : args_.sequences) total_rows += s.n_queries * args_.n_heads;
    const int64_t threads = thread_count(), wanted = kTasksPerThread * threads;
    const int64_t row_bytes = 4 * (args_.d_k + args_.d_shared + args_.d_v);
    const int64_t most = std::clamp(kTaskBytes / row_bytes, kKeyBlock, kMostRows);
    const int64_t rows = std::clamp(total_rows / wanted, kLeastRows, most);
    const int64_t one_query_heads = std::max<int64_t>(1, total_rows / (threads == 1 ? 1 : 2 * threads));
    for (const AttentionSequence& s : args_.sequences) {
      const int64_t most_heads = shares_keys_       ? (s.n_queries == 1 ? round_up_16(rows) : rows)
                                 : s.n_queries == 1 ? one_query_heads
                                                    : 1;
      const int64_t groups = (args_.n_heads + most_heads - 1) / most_heads;
      const int64_t heads = (args_.n_heads + groups - 1) / groups;
      const int64_t queries = std::max<int64_t>(1, rows / heads);
      for (int64_t head = 0; head < args_.n_heads; head += heads)
        for (int64_t first = 0; first < s.n_queries; first += queries) {
          Task task{.sequence = &s,
                    .head = head,
                    .heads = std::min(heads, args_.n_heads - head),
                    .first = first,
                    .queries = std::min(queries, s.n_queries - first),
                    .segment = 0,
                    .end_segment = 0,
                    .partial = nullptr};
          task.end_segment = (task.n_keys() + kSegmentKeys - 1) / kSegmentKeys;
          tasks_.push_back(task);
        }
    }
    if (threads > 1 && static_cast<int64_t>(tasks_.size()) < wanted) split_segments();
    if (partial_at_.empty())
      std::stable_sort(tasks_.begin(), tasks_.end(), [](const Task& a, const Task& b) { return a.cost() > b.cost(); });
    for (const Task& task : tasks_) {
      most_rows_ = std::max(most_rows_, task.rows());
      merging_ = merging_ || task.end_segment > 1;
    }
  }

  void split_segments() {
    int64_t floats = 0;
    for (const Task& task : tasks_)
      if (task.end_segment > 1) floats += task.end_segment * task.rows() * (columns_ + 2);
    if (floats == 0 || floats > kPartialFloats) return;
    std::vector<Task> split;
    for (const Task& task : tasks_) {
      if (task.end_segment == 1) {
        split.push_back(task);
        continue;
      }
      merges_.push_back({task, split.size()});
      for (int64_t segment = 0; segment < task.end_segment; ++segment) {
        partial_at_.push_back({split.size(), partial_floats_});
        partial_floats_ += task.rows() * (columns_ + 2);
        split.push_back(task);
        split.back().segment = segment;
        split.back().end_segment = segment + 1;
      }
    }
    tasks_ = std::move(split);
  }

  void cut(Cutter& cutter, Room& room) const {
    const int64_t rows = most_rows_, d_shared = args_.d_shared;
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
    if (merging_) state(room.all);
    cutter.take(room.visible, rows);
    cutter.take(room.out, rows);
    cutter.take(room.lse, rows);
    cutter.take(room.row_max, rows);
  }

  /// One query whose many heads share keys that lie in rows: the keys stay rows, the heads become panels.
  bool keys_in_rows(const Task& task) const {
    return shares_keys_ && !panels() && task.queries == 1 && task.heads > kFewHeads;
  }
  /// Words between such keys: an odd number of cache lines, so that those of a tile fall into different sets.
  int64_t key_words(int64_t width) const { return pack_.row_words(width) | 16; }

  /// Rows of a task: queries ascending, for each its heads.
  void pack_queries(const Task& task, const Room& room) const {
    auto pack = [&](int64_t at, int64_t width, uint32_t* out) {
      const int64_t stride = pack_.row_words(width);
      const float* q = args_.q + (task.sequence->first_row + task.first) * args_.q_row + task.head * args_.q_head + at;
      if (keys_in_rows(task)) {
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

  /// k or k_shared of a block (rows of `width`) as words: panels along the width, or rows. ahead: those of the block
  /// that comes after it, or null.
  const uint32_t* keys_of(const void* data, int64_t stride, int64_t n_keys, int64_t width, bool as_rows,
                          const void* ahead, uint32_t* room) const {
    if (!panels()) {
      const PackMatrix keys{data, args_.kv_dtype == DType::bf16, stride, n_keys, width, ahead};
      if (as_rows)
        pack_.rows(keys, room, key_words(width));
      else
        pack_.turned(keys, room);
      return room;
    }
    const auto* words = static_cast<const uint32_t*>(data);
    if (!pack_.bf16() || pack_.pairs()) return words;
    pack_.split(words, (n_keys + kPanelColumns - 1) / kPanelColumns, width, room);
    return room;
  }

  /// Operands of one head against a block.
  struct Panels {
    const uint32_t* keys;
    const uint32_t* values;
    int64_t value_words;
    int64_t key_rows = 0;        ///< keys, where they are rows
    int64_t value_row = 0;       ///< not 0: values lie in rows, so many words apart
    const void* next = nullptr;  ///< lines of the next block
    int64_t next_lines = 0;
  };
  Panels panels_of(int64_t head, const KeyBlock& block, int64_t n_keys, bool as_rows, const KeyBlock* next,
                   const Room& room) const {
    const uint32_t* keys = keys_of(at(block.k, head * args_.k_head), args_.k_row, n_keys, args_.d_k, as_rows,
                                   next ? next->k : nullptr, room.keys);
    const char* v = at(block.v, head * args_.v_head);
    // Latents are key and value: as floats in rows they serve as both.
    if (as_rows && !pack_.pairs() && block.v == block.k && args_.v_row == args_.k_row && columns_ == args_.d_v &&
        args_.d_v <= args_.d_k)
      return {
          .keys = keys, .values = keys, .value_words = n_keys, .key_rows = n_keys, .value_row = key_words(args_.d_k)};
    if (!panels()) {
      pack_.straight({v, args_.kv_dtype == DType::bf16, args_.v_row, n_keys, args_.d_v}, room.values);
      return {keys, room.values, pack_.depth(n_keys), as_rows ? n_keys : 0};
    }
    const auto* words = reinterpret_cast<const uint32_t*>(v);
    if (!pack_.bf16() || pack_.pairs()) return {keys, words, pack_.depth(kKeyBlock)};
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

  /// The block that this thread will probably meet after the one at `key`: of the task, or of the task it will claim.
  /// How many keys it holds is not asked: a page is there in whole.
  const KeyBlock* block_behind(const Task& task, int64_t key) const {
    const int64_t next = key + kKeyBlock;
    if (next < std::min(task.n_keys(), task.end_segment * kSegmentKeys))
      return &task.sequence->blocks[next / kKeyBlock];
    const int64_t claimed = &task - tasks_.data() + thread_count();
    if (claimed >= static_cast<int64_t>(tasks_.size())) return nullptr;
    const Task& other = tasks_[static_cast<size_t>(claimed)];
    return &other.sequence->blocks[other.segment * kSegmentKeys / kKeyBlock];
  }

  int64_t keys_in(const Task& task, int64_t key) const { return std::min(kKeyBlock, task.n_keys() - key); }

  void attend_block(const Task& task, int64_t key, bool first, const Room& room, const State& state) const {
    const KeyBlock& block = task.sequence->blocks[key / kKeyBlock];
    const int64_t n_keys = keys_in(task, key);
    const uint32_t* shared = nullptr;
    const bool as_rows = keys_in_rows(task);
    const KeyBlock* next = shares_keys_ && !panels() && task.queries == 1 ? block_behind(task, key) : nullptr;
    const bool early = args_.d_k <= kNarrowKeys;
    if (args_.d_shared)
      shared = keys_of(block.k_shared, args_.shared_row, n_keys, args_.d_shared, as_rows,
                       next && early ? next->k_shared : nullptr, room.keys_shared);
    if (task.heads == 1 || shares_keys_) {
      Panels panels = panels_of(task.head, block, n_keys, as_rows, early ? next : nullptr, room);
      if (next && !early && args_.k_row == args_.d_k) {
        panels.next = next->k;
        panels.next_lines = kKeyBlock * args_.d_k * static_cast<int64_t>(dtype_bytes(args_.kv_dtype)) / 64;
      }
      attend_queries(task, key, first, panels, shared, room, state);
      return;
    }
    const int32_t visible = static_cast<int32_t>(n_keys);  // of the one query
    for (int64_t i = 0; i < task.heads; ++i) {
      attend_rows(i, i + 1, n_keys < kKeyBlock ? &visible : nullptr, first,
                  panels_of(task.head + i, block, n_keys, false, nullptr, room), shared, room, state);
    }
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
    const auto part = [&](const uint32_t* q, const uint32_t* keys, int64_t width) -> ChainPart {
      const int64_t stride = pack_.row_words(width), depth = pack_.depth(width);
      if (panels.key_rows) return {keys, key_words(width), q, depth};
      return {q + begin * stride, stride, keys, depth};
    };
    kernels_.attend({.bf16 = pack_.bf16(),
                     .rows = end - begin,
                     .visible = visible,
                     .scores = {part(room.q, panels.keys, args_.d_k), part(room.q_shared, shared, args_.d_shared)},
                     .key_rows = panels.key_rows,
                     .scale = args_.scale,
                     .values = panels.values,
                     .value_words = panels.value_words,
                     .value_panels = columns_ / 16,
                     .value_row = panels.value_row,
                     .next = panels.next,
                     .next_lines = panels.next_lines,
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

  void merge_partials(const Merge& m, const Room& room) const {
    for (int64_t segment = 0; segment < m.task.end_segment; ++segment) {
      const Task& part = tasks_[m.first_partial + static_cast<size_t>(segment)];
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
  std::vector<Task> tasks_;
  std::vector<Merge> merges_;
  std::vector<std::pair<size_t, int64_t>> partial_at_;  // task, floats into the memory of partial results
  int64_t partial_floats_ = 0, most_rows_ = 0;
  bool merging_ = false;
};

void attention(const AttentionArgs& args) { Forward(args).run(); }

}  // namespace

void add_attention(KernelTable& table) {
  table.attention = attention;
  table.attention_grad = attention_grad;
}

}  // namespace nuri::cpu
