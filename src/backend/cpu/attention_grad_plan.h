// How the backward of attention is cut into tasks that threads claim, and the arrays that a thread works in.
#pragma once

#include <vector>

#include "backend/cpu/attention_scratch.h"

namespace nuri::cpu {

inline constexpr int64_t kGradTile = kKeyBlock;  ///< queries of a tile, aligned as the blocks are

/// A group of key blocks [first_block, end_block) of one sequence.
struct AttentionGradTask {
  const AttentionSequence* sequence;
  int64_t group, first_block, end_block;
  int64_t first_done;  ///< of the sequence: counters [tiles, heads]
};

/// All groups of a sequence lie in one part, ascending: a task may wait for the group before it.
struct AttentionGradPlan {
  std::vector<AttentionGradTask> tasks;
  std::vector<int64_t> ends;  ///< of the parts that threads begin with
  int64_t group_blocks = 1;   ///< of a group, at most
  int64_t last_row = 0;       ///< rows of q and out that the sequences reach
  int64_t counters = 0;       ///< [tiles, heads] of all sequences
};
AttentionGradPlan plan_attention_grad(const AttentionGradArgs& args, const Packer& pack);

inline int64_t blocks_of(const AttentionSequence& s) { return (s.n_queries + kKeyBlock - 1) / kKeyBlock; }

/// Arrays of one thread; the first eight for each block of the group, one after the other.
struct GradRoom {
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
/// Cuts a room for groups of so many blocks.
void cut(Cutter& cutter, GradRoom& room, const AttentionGradArgs& args, const Packer& pack, int64_t group_blocks);

}  // namespace nuri::cpu
