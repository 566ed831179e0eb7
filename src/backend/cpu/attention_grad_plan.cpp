#include "backend/cpu/attention_grad_plan.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"

namespace nuri::cpu {
namespace {

constexpr int64_t kMostBlocks = 4;          // of a group: packing a tile of queries is shared by so many blocks
constexpr int64_t kRoomBytes = 512 * 1024;  // of a thread, if possible: a part of L2
constexpr int64_t kTasksPerThread = 3;

}  // namespace

AttentionGradPlan plan_attention_grad(const AttentionGradArgs& grad, const Packer& pack) {
  const AttentionArgs& args = grad.forward;
  AttentionGradPlan plan;
  int64_t longest = 0;
  std::vector<int64_t> first_done;
  for (const AttentionSequence& s : args.sequences) {
    NURI_ASSERT(s.first_position == 0, "gradients are of whole sequences");
    first_done.push_back(plan.counters);
    plan.counters += blocks_of(s) * args.n_heads;
    longest = std::max(longest, blocks_of(s));
    plan.last_row = std::max(plan.last_row, s.first_row + s.n_queries);
  }
  int64_t& most = plan.group_blocks;
  auto groups = [&] {
    int64_t n = 0;
    for (const AttentionSequence& s : args.sequences) n += (blocks_of(s) + most - 1) / most;
    return n;
  };
  auto room_bytes = [&] {
    Cutter sizes;
    GradRoom unused;
    cut(sizes, unused, grad, pack, most);
    return static_cast<int64_t>(sizes.used());
  };
  const int64_t threads = thread_count(), wanted = threads > 1 ? kTasksPerThread * threads : 1;
  most = std::min(kMostBlocks, std::max<int64_t>(1, longest));
  while (most > 1 && (groups() < wanted || room_bytes() > kRoomBytes)) --most;
  // A thread begins with sequences of its own, where there are enough: groups of one wait for each other.
  const auto n = static_cast<int64_t>(args.sequences.size());
  const int64_t parts = n >= threads ? threads : 1;
  for (int64_t part = 0; part < parts; ++part) {
    for (int64_t group = 0; group * most < longest; ++group)
      for (int64_t i = part_end(n, part - 1, parts); i < part_end(n, part, parts); ++i) {
        const AttentionSequence& s = args.sequences[static_cast<size_t>(i)];
        const int64_t first = group * most;
        if (first < blocks_of(s))
          plan.tasks.push_back(
              {&s, group, first, std::min(blocks_of(s), first + most), first_done[static_cast<size_t>(i)]});
      }
    plan.ends.push_back(static_cast<int64_t>(plan.tasks.size()));
  }
  plan.ends.resize(static_cast<size_t>(threads), plan.ends.back());
  return plan;
}

void cut(Cutter& cutter, GradRoom& room, const AttentionGradArgs& args, const Packer& pack, int64_t group_blocks) {
  const int64_t g = group_blocks, dk = args.forward.d_k, ds = args.forward.d_shared, dv = args.forward.d_v;
  const int64_t k_columns = round_up_16(dk), shared_columns = round_up_16(ds), v_columns = round_up_16(dv);
  const int64_t deep = pack.depth(kGradTile);
  cutter.take(room.keys, g * kKeyBlock * pack.depth(dk));
  cutter.take(room.keys_shared, g * kKeyBlock * pack.depth(ds));
  cutter.take(room.values, g * kKeyBlock * pack.depth(dv));
  cutter.take(room.keys_along, g * deep * k_columns);
  cutter.take(room.shared_along, g * deep * shared_columns);
  cutter.take(room.dk, g * kKeyBlock * k_columns);
  cutter.take(room.dk_shared, g * kKeyBlock * shared_columns);
  if (!args.v_is_k) cutter.take(room.dv, g * kKeyBlock * v_columns);
  cutter.take(room.q, kGradTile * pack.row_words(dk));
  cutter.take(room.q_shared, kGradTile * pack.row_words(ds));
  cutter.take(room.dout, kGradTile * pack.row_words(dv));
  cutter.take(room.q_along, deep * k_columns);
  cutter.take(room.q_shared_along, deep * shared_columns);
  if (!args.v_is_k) cutter.take(room.dout_along, deep * v_columns);
  cutter.take(room.ds_along, kGradTile * deep);
  if (pack.pairs())
    cutter.take(room.ds_across, kGradTile * deep);
  else
    room.ds_across = room.ds_along;
  if (args.v_is_k) {
    cutter.take(room.both_along, 2 * deep * v_columns);
    cutter.take(room.both_across, 2 * kGradTile * deep);
    cutter.take(room.joined, 2 * kGradTile * v_columns);
  } else {
    cutter.take(room.p_across, kGradTile * deep);
  }
  cutter.take(room.lse, kGradTile);
  cutter.take(room.delta, kGradTile);
}

}  // namespace nuri::cpu
