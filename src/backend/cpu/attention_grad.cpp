// Attention backward on the CPU. A task owns a group of key blocks of one sequence: for each head ascending and each
// tile of 64 queries ascending it makes p and ds once and feeds the chains of dk, dv and dk_shared, which are its own.
// dq runs over keys ascending, through all groups of a sequence: a task waits at each tile until the group before it
// has added its part. All groups of a sequence lie in one part of the tasks, ascending, and a part is claimed in that
// order, so the one waited for is always running or done.
#include <immintrin.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "backend/cpu/attention_scratch.h"
#include "base/error.h"
#include "base/threads.h"

namespace nuri::cpu {

void attention_grad(const AttentionGradArgs& args);

namespace {

constexpr int64_t kMostBlocks = 4;          // of a group: packing a tile of queries is shared by so many blocks
constexpr int64_t kRoomBytes = 512 * 1024;  // of a thread, if possible: a part of L2
constexpr int64_t kTasksPerThread = 3;
constexpr int64_t kTile = kKeyBlock;  // queries of a tile, aligned as the blocks are
constexpr int kSpins = 2000;

int64_t blocks_of(const AttentionSequence& s) { return (s.n_queries + kKeyBlock - 1) / kKeyBlock; }

/// Arrays of one thread; the first five for each block of the group, one after the other.
struct Room {
  uint32_t* keys;  // scores: K, its rows as columns
  uint32_t* keys_shared;
  uint32_t* values;      // dp: V, its rows as columns
  uint32_t* keys_along;  // dq: K, keys as depth
  uint32_t* shared_along;
  float* dk;  // accumulators, [64, padded width]
  float* dk_shared;
  float* dv;
  uint32_t* q;  // of the tile of queries: scores
  uint32_t* q_shared;
  uint32_t* dout;
  uint32_t* q_along;  // dk: queries as depth
  uint32_t* q_shared_along;
  uint32_t* dout_along;
  uint32_t* both_along;  // dk and dv in one: q, dout of a query one after the other
  uint32_t* ds_along;    // what a tile of p and ds becomes
  uint32_t* ds_across;
  uint32_t* p_across;
  uint32_t* both_across;
  float* joined;  // [128, d_v]: q, dout of a query one after the other
  float* lse;     // [64]
  float* delta;   // [64]
};

class Backward {
 public:
  explicit Backward(const AttentionGradArgs& grad)
      : grad_(grad),
        args_(grad.forward),
        kernels_(attention_level()),
        pack_(args_.precision),
        k_columns_(round_up_16(args_.d_k)),
        shared_columns_(round_up_16(args_.d_shared)),
        v_columns_(round_up_16(args_.d_v)),
        k_per_head_(args_.k_head != 0 || args_.n_heads == 1),
        v_per_head_(args_.v_head != 0 || args_.n_heads == 1) {
    for (int32_t i = 0; i < kTile; ++i) {
      one_[i] = i;
      one_more_[i] = i + 1;
      two_[i] = 2 * i;
    }
  }

  void run() {
    plan();
    if (tasks_.empty()) return;
    Cutter sizes;
    Room unused;
    cut(sizes, unused);
    const Scratch rooms(sizes.used() * static_cast<size_t>(thread_count()));
    const Scratch deltas(static_cast<size_t>(last_row_ * args_.n_heads) * sizeof(float));
    if (meta_active()) return;
    delta_ = reinterpret_cast<float*>(deltas.data());
    make_deltas();
    parallel_parts(ends_, [&](int64_t i) {
      Cutter cutter(rooms.data() + sizes.used() * static_cast<size_t>(thread_index()));
      Room room;
      cut(cutter, room);
      run_group(tasks_[static_cast<size_t>(i)], room);
    });
  }

 private:
  struct Task {
    const AttentionSequence* sequence;
    int64_t group, first_block, end_block;
    int64_t first_done;  // of the sequence: counters [tiles, heads]
  };

  void plan() {
    int64_t longest = 0, counters = 0;
    std::vector<int64_t> first_done;
    for (const AttentionSequence& s : args_.sequences) {
      NURI_ASSERT(s.first_position == 0, "gradients are of whole sequences");
      first_done.push_back(counters);
      counters += blocks_of(s) * args_.n_heads;
      longest = std::max(longest, blocks_of(s));
      last_row_ = std::max(last_row_, s.first_row + s.n_queries);
    }
    done_ = std::make_unique<std::atomic<int32_t>[]>(static_cast<size_t>(counters));
    auto groups = [&] {
      int64_t n = 0;
      for (const AttentionSequence& s : args_.sequences) n += (blocks_of(s) + group_blocks_ - 1) / group_blocks_;
      return n;
    };
    auto room_bytes = [&] {
      Cutter sizes;
      Room unused;
      cut(sizes, unused);
      return static_cast<int64_t>(sizes.used());
    };
    const int64_t threads = thread_count(), wanted = threads > 1 ? kTasksPerThread * threads : 1;
    group_blocks_ = std::min(kMostBlocks, std::max<int64_t>(1, longest));
    while (group_blocks_ > 1 && (groups() < wanted || room_bytes() > kRoomBytes)) --group_blocks_;
    // A thread begins with sequences of its own, where there are enough: groups of one wait for each other.
    const auto n = static_cast<int64_t>(args_.sequences.size());
    const int64_t parts = n >= threads ? threads : 1;
    for (int64_t part = 0; part < parts; ++part) {
      for (int64_t group = 0; group * group_blocks_ < longest; ++group)
        for (int64_t i = part_end(n, part - 1, parts); i < part_end(n, part, parts); ++i) {
          const AttentionSequence& s = args_.sequences[static_cast<size_t>(i)];
          const int64_t first = group * group_blocks_;
          if (first < blocks_of(s))
            tasks_.push_back(
                {&s, group, first, std::min(blocks_of(s), first + group_blocks_), first_done[static_cast<size_t>(i)]});
        }
      ends_.push_back(static_cast<int64_t>(tasks_.size()));
    }
    ends_.resize(static_cast<size_t>(threads), ends_.back());
  }

  void cut(Cutter& cutter, Room& room) const {
    const int64_t g = group_blocks_, dk = args_.d_k, ds = args_.d_shared, dv = args_.d_v;
    const int64_t deep = pack_.depth(kTile);
    cutter.take(room.keys, g * kKeyBlock * pack_.depth(dk));
    cutter.take(room.keys_shared, g * kKeyBlock * pack_.depth(ds));
    cutter.take(room.values, g * kKeyBlock * pack_.depth(dv));
    cutter.take(room.keys_along, g * deep * k_columns_);
    cutter.take(room.shared_along, g * deep * shared_columns_);
    cutter.take(room.dk, g * kKeyBlock * k_columns_);
    cutter.take(room.dk_shared, g * kKeyBlock * shared_columns_);
    if (!grad_.v_is_k) cutter.take(room.dv, g * kKeyBlock * v_columns_);
    cutter.take(room.q, kTile * pack_.row_words(dk));
    cutter.take(room.q_shared, kTile * pack_.row_words(ds));
    cutter.take(room.dout, kTile * pack_.row_words(dv));
    cutter.take(room.q_along, deep * k_columns_);
    cutter.take(room.q_shared_along, deep * shared_columns_);
    if (!grad_.v_is_k) cutter.take(room.dout_along, deep * v_columns_);
    cutter.take(room.ds_along, kTile * deep);
    if (pack_.pairs())
      cutter.take(room.ds_across, kTile * deep);
    else
      room.ds_across = room.ds_along;
    if (grad_.v_is_k) {
      cutter.take(room.both_along, 2 * deep * v_columns_);
      cutter.take(room.both_across, 2 * kTile * deep);
      cutter.take(room.joined, 2 * kTile * v_columns_);
    } else {
      cutter.take(room.p_across, kTile * deep);
    }
    cutter.take(room.lse, kTile);
    cutter.take(room.delta, kTile);
  }

  void make_deltas() const {
    parallel_ranges(last_row_, 64, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        kernels_.dots({.rows = args_.n_heads,
                       .columns = args_.d_v,
                       .x = grad_.dout + row * args_.out_row,
                       .y = args_.out + row * args_.out_row,
                       .stride = args_.out_head,
                       .sums = delta_ + row * args_.n_heads,
                       .sums_stride = 1});
    });
  }

  int64_t keys_in(const Task& task, int64_t block) const {
    return std::min(kKeyBlock, task.sequence->n_queries - block * kKeyBlock);
  }

  /// Calls body(g, block) for the blocks of the task, g counting from 0.
  template <class Body>
  void for_blocks(const Task& task, int64_t end, const Body& body) const {
    for (int64_t block = task.first_block; block < std::min(end, task.end_block); ++block)
      body(block - task.first_block, block);
  }

  PackMatrix key_matrix(const Task& task, int64_t block, const void* data, int64_t at, int64_t stride,
                        int64_t width) const {
    return {static_cast<const float*>(data) + at, false, stride, keys_in(task, block), width};
  }

  void run_group(const Task& task, const Room& room) const {
    const int64_t blocks = task.end_block - task.first_block;
    auto zero = [&](float* x, int64_t columns) {
      std::memset(x, 0, static_cast<size_t>(blocks * kKeyBlock * columns) * sizeof(float));
    };
    if (args_.d_shared) {
      pack_shared_keys(task, room);
      zero(room.dk_shared, shared_columns_);
    }
    for (int64_t head = 0; head < args_.n_heads; ++head) {
      const bool new_k = head == 0 || k_per_head_, new_v = head == 0 || v_per_head_;
      if (new_k) zero(room.dk, k_columns_);
      if (new_v && !grad_.v_is_k) zero(room.dv, v_columns_);
      pack_keys(task, head, new_k, new_v, room);
      for (int64_t tile = task.first_block; tile < blocks_of(*task.sequence); ++tile) run_tile(task, head, tile, room);
      const bool last = head + 1 == args_.n_heads;
      if (k_per_head_ || last) write(task, room.dk, k_columns_, grad_.dk + head * args_.k_head, args_.k_row, args_.d_k);
      if ((v_per_head_ || last) && !grad_.v_is_k)
        write(task, room.dv, v_columns_, grad_.dv + head * args_.v_head, args_.v_row, args_.d_v);
    }
    if (args_.d_shared) write(task, room.dk_shared, shared_columns_, grad_.dk_shared, args_.shared_row, args_.d_shared);
  }

  void write(const Task& task, const float* from, int64_t columns, float* into, int64_t row, int64_t width) const {
    const int64_t first = task.first_block * kKeyBlock,
                  end = std::min(task.sequence->n_queries, task.end_block * kKeyBlock);
    for (int64_t i = first; i < end; ++i)
      std::memcpy(into + (task.sequence->first_row + i) * row, from + (i - first) * columns,
                  static_cast<size_t>(width) * sizeof(float));
  }

  void pack_shared_keys(const Task& task, const Room& room) const {
    for_blocks(task, task.end_block, [&](int64_t g, int64_t block) {
      const PackMatrix k =
          key_matrix(task, block, task.sequence->blocks[block].k_shared, 0, args_.shared_row, args_.d_shared);
      pack_.turned(k, room.keys_shared + g * kKeyBlock * pack_.depth(args_.d_shared));
      pack_.straight(k, room.shared_along + g * pack_.depth(kTile) * shared_columns_);
    });
  }

  void pack_keys(const Task& task, int64_t head, bool new_k, bool new_v, const Room& room) const {
    for_blocks(task, task.end_block, [&](int64_t g, int64_t block) {
      const KeyBlock& source = task.sequence->blocks[block];
      if (new_k) {
        const PackMatrix k = key_matrix(task, block, source.k, head * args_.k_head, args_.k_row, args_.d_k);
        pack_.turned(k, room.keys + g * kKeyBlock * pack_.depth(args_.d_k));
        pack_.straight(k, room.keys_along + g * pack_.depth(kTile) * k_columns_);
      }
      if (new_v)
        pack_.turned(key_matrix(task, block, source.v, head * args_.v_head, args_.v_row, args_.d_v),
                     room.values + g * kKeyBlock * pack_.depth(args_.d_v));
    });
  }

  /// The words of a matrix both ways: rows for scores (if wanted) and, from them where words are floats, queries as
  /// depth.
  void pack_both(const PackMatrix& m, uint32_t* rows, uint32_t* along) const {
    const int64_t stride = pack_.row_words(m.columns);
    pack_.rows(m, rows, stride);
    if (pack_.pairs())
      pack_.straight(m, along);
    else
      pack_.straight_words({rows, false, stride, m.rows, m.columns}, along);
  }

  void pack_queries(const Task& task, int64_t head, int64_t tile, int64_t queries, const Room& room) const {
    const int64_t row = task.sequence->first_row + tile * kTile;
    const float* q = args_.q + row * args_.q_row + head * args_.q_head;
    const float* dout = grad_.dout + row * args_.out_row + head * args_.out_head;
    const PackMatrix dout_matrix{dout, false, args_.out_row, queries, args_.d_v};
    if (args_.d_shared)
      pack_both({q + args_.d_k, false, args_.q_row, queries, args_.d_shared}, room.q_shared, room.q_shared_along);
    if (!grad_.v_is_k) {
      pack_both({q, false, args_.q_row, queries, args_.d_k}, room.q, room.q_along);
      pack_both(dout_matrix, room.dout, room.dout_along);
    } else {
      pack_.rows({q, false, args_.q_row, queries, args_.d_k}, room.q, pack_.row_words(args_.d_k));
      pack_.rows(dout_matrix, room.dout, pack_.row_words(args_.d_v));
      for (int64_t i = 0; i < queries; ++i) {
        std::memcpy(room.joined + 2 * i * v_columns_, q + i * args_.q_row, static_cast<size_t>(args_.d_v) * 4);
        std::memcpy(room.joined + (2 * i + 1) * v_columns_, dout + i * args_.out_row,
                    static_cast<size_t>(args_.d_v) * 4);
      }
      pack_.straight({room.joined, false, v_columns_, 2 * queries, args_.d_v}, room.both_along);
      const int64_t rest = args_.d_k - args_.d_v;
      if (rest) pack_.straight({q + args_.d_v, false, args_.q_row, queries, rest}, room.q_along);
    }
    for (int64_t i = 0; i < queries; ++i) {
      room.lse[i] = args_.lse[(row + i) * args_.n_heads + head];
      room.delta[i] = delta_[(row + i) * args_.n_heads + head];
    }
  }

  void run_tile(const Task& task, int64_t head, int64_t tile, const Room& room) const {
    const int64_t queries = keys_in(task, tile);
    pack_queries(task, head, tile, queries, room);
    std::atomic<int32_t>& done = done_[static_cast<size_t>(task.first_done + tile * args_.n_heads + head)];
    bool turn = false;
    for_blocks(task, tile + 1, [&](int64_t g, int64_t block) {
      const bool diagonal = block == tile;
      make_words(g, diagonal, queries, room);
      add_keys(g, diagonal, queries, keys_in(task, block), room);
      if (!turn) wait_for(done, static_cast<int32_t>(task.group));
      turn = true;
      add_queries(task, head, tile, g, block, queries, room);
    });
    done.store(static_cast<int32_t>(task.group) + 1, std::memory_order_release);
  }

  static void wait_for(const std::atomic<int32_t>& done, int32_t group) {
    for (int spins = 0; done.load(std::memory_order_acquire) != group; ++spins) {
      if (spins < kSpins)
        _mm_pause();
      else
        std::this_thread::yield();
    }
  }

  void make_words(int64_t g, bool diagonal, int64_t queries, const Room& room) const {
    const int64_t dk = pack_.depth(args_.d_k), ds = pack_.depth(args_.d_shared), dv = pack_.depth(args_.d_v);
    kernels_.grad(
        {.bf16 = pack_.bf16(),
         .rows = queries,
         .visible = diagonal ? one_more_ : nullptr,
         .scores = {{room.q, pack_.row_words(args_.d_k), room.keys + g * kKeyBlock * dk, dk},
                    {room.q_shared, pack_.row_words(args_.d_shared), room.keys_shared + g * kKeyBlock * ds, ds}},
         .dp = {room.dout, pack_.row_words(args_.d_v), room.values + g * kKeyBlock * dv, dv},
         .scale = args_.scale,
         .lse = room.lse,
         .delta = room.delta,
         .ds_along = room.ds_along,
         .ds_across = room.ds_across,
         .p_across = grad_.v_is_k ? nullptr : room.p_across,
         .both_across = grad_.v_is_k ? room.both_across : nullptr});
  }

  /// dk, dv, dk_shared of a block: key j takes queries from its own on.
  void add_keys(int64_t g, bool diagonal, int64_t queries, int64_t n_keys, const Room& room) const {
    auto add = [&](const uint32_t* a, const uint32_t* b, int64_t depth, const int32_t* begins, float* c, int64_t stride,
                   int64_t columns) {
      kernels_.product({.bf16 = pack_.bf16(),
                        .rows = n_keys,
                        .columns = columns,
                        .words = pack_.depth(depth),
                        .a = a,
                        .a_stride = kKeyBlock,
                        .across = true,
                        .b = b,
                        .c = c + g * kKeyBlock * stride,
                        .c_stride = stride,
                        .begins = diagonal ? begins : nullptr});
    };
    if (grad_.v_is_k) {
      add(room.both_across, room.both_along, 2 * queries, two_, room.dk, k_columns_, args_.d_v);
      if (args_.d_k > args_.d_v)
        add(room.ds_across, room.q_along, queries, one_, room.dk + args_.d_v, k_columns_, args_.d_k - args_.d_v);
    } else {
      add(room.p_across, room.dout_along, queries, one_, room.dv, v_columns_, v_columns_);
      add(room.ds_across, room.q_along, queries, one_, room.dk, k_columns_, k_columns_);
    }
    if (args_.d_shared)
      add(room.ds_across, room.q_shared_along, queries, one_, room.dk_shared, shared_columns_, shared_columns_);
  }

  /// dq of the tile takes the keys of a block.
  void add_queries(const Task& task, int64_t head, int64_t tile, int64_t g, int64_t block, int64_t queries,
                   const Room& room) const {
    const int64_t n_keys = keys_in(task, block), deep = pack_.depth(kTile);
    float* dq = grad_.dq + (task.sequence->first_row + tile * kTile) * args_.q_row + head * args_.q_head;
    auto add = [&](const uint32_t* b, float* c, int64_t columns) {
      kernels_.product({.bf16 = pack_.bf16(),
                        .rows = queries,
                        .columns = columns,
                        .words = pack_.depth(n_keys),
                        .a = room.ds_along,
                        .a_stride = deep,
                        .across = false,
                        .b = b,
                        .c = c,
                        .c_stride = args_.q_row,
                        .fresh = block == 0,
                        .ends = block == tile ? one_more_ : nullptr});
    };
    add(room.keys_along + g * deep * k_columns_, dq, args_.d_k);
    if (args_.d_shared) add(room.shared_along + g * deep * shared_columns_, dq + args_.d_k, args_.d_shared);
  }

  const AttentionGradArgs& grad_;
  const AttentionArgs& args_;
  const AttentionKernels& kernels_;
  const Packer pack_;
  const int64_t k_columns_, shared_columns_, v_columns_;  // widths in whole panels
  const bool k_per_head_, v_per_head_;
  int64_t group_blocks_ = 1, last_row_ = 0;
  std::vector<Task> tasks_;
  std::vector<int64_t> ends_;                     // of the parts of tasks_ that threads begin with
  std::unique_ptr<std::atomic<int32_t>[]> done_;  // groups that have added to dq of [tile, head] of each sequence
  float* delta_ = nullptr;                        // [rows, n_heads]
  // Bounds of the diagonal block: i, i + 1, 2 i.
  int32_t one_[kTile], one_more_[kTile], two_[kTile];
};

}  // namespace

void attention_grad(const AttentionGradArgs& args) { Backward(args).run(); }

}  // namespace nuri::cpu
