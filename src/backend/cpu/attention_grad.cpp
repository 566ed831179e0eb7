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

#include "backend/cpu/attention_grad_plan.h"
#include "base/threads.h"

namespace nuri::cpu {

void attention_grad(const AttentionGradArgs& args);

namespace {

constexpr int64_t kTile = kGradTile;
constexpr int kSpins = 2000;

using Room = GradRoom;
using Task = AttentionGradTask;

class Backward {
 public:
  explicit Backward(const AttentionGradArgs& grad)
      : grad_(grad),
        args_(grad.forward),
        kernels_(attention_level()),
        pack_(args_.precision),
        plan_(plan_attention_grad(grad, pack_)),
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
    if (plan_.tasks.empty()) return;
    Cutter sizes;
    Room unused;
    cut(sizes, unused, grad_, pack_, plan_.group_blocks);
    const Scratch rooms(sizes.used() * static_cast<size_t>(thread_count()));
    const Scratch deltas(static_cast<size_t>(plan_.last_row * args_.n_heads) * sizeof(float));
    if (meta_active()) return;
    done_ = std::make_unique<std::atomic<int32_t>[]>(static_cast<size_t>(plan_.counters));
    delta_ = reinterpret_cast<float*>(deltas.data());
    make_deltas();
    parallel_parts(plan_.ends, [&](int64_t i) {
      Cutter cutter(rooms.data() + sizes.used() * static_cast<size_t>(thread_index()));
      Room room;
      cut(cutter, room, grad_, pack_, plan_.group_blocks);
      run_group(plan_.tasks[static_cast<size_t>(i)], room);
    });
  }

 private:
  void make_deltas() const {
    parallel_ranges(plan_.last_row, 64, [&](int64_t begin, int64_t end) {
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
  const AttentionGradPlan plan_;
  const int64_t k_columns_, shared_columns_, v_columns_;  // widths in whole panels
  const bool k_per_head_, v_per_head_;
  std::unique_ptr<std::atomic<int32_t>[]> done_;  // groups that have added to dq of [tile, head] of each sequence
  float* delta_ = nullptr;                        // [rows, n_heads]
  // Bounds of the diagonal block: i, i + 1, 2 i.
  int32_t one_[kTile], one_more_[kTile], two_[kTile];
};

}  // namespace

void attention_grad(const AttentionGradArgs& args) { Backward(args).run(); }

}  // namespace nuri::cpu
