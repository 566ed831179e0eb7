#include "backend/cpu/attention_operands.h"

namespace nuri::cpu {

// Up to so many heads of one query, keys are turned where they cannot be read in place: as a panel of 16, the heads
// would leave most lanes empty.
constexpr int64_t kFewHeads = 8;

AttentionOperands::AttentionOperands(const AttentionArgs& args)
    : args_(args),
      pack_(args.precision),
      shares_keys_(args.k_head == 0 && args.v_head == 0),
      reads_latents_(attention_level().attend_latents != nullptr),
      columns_(round_up_16(args.d_v)) {}

bool AttentionOperands::keys_in_rows(const AttentionTask& task) const {
  return shares_keys_ && !panels() && task.queries == 1 && task.heads > kFewHeads;
}

bool AttentionOperands::latents_in_place(const AttentionTask& task) const {
  return reads_latents_ && pack_.bf16() && shares_keys_ && !panels() && args_.kv_dtype == DType::bf16 &&
         task.queries == 1 && task.heads <= kLatentHeads && args_.d_k % 8 == 0 && args_.d_shared % 8 == 0 &&
         args_.d_v % 32 == 0;
}

void AttentionOperands::pack_queries(const AttentionTask& task, uint32_t* q_words, uint32_t* q_shared) const {
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
      pack_.rows({q + i * args_.q_row, false, args_.q_head, task.heads, width}, out + i * task.heads * stride, stride);
  };
  pack(0, args_.d_k, q_words);
  if (args_.d_shared) pack(args_.d_k, args_.d_shared, q_shared);
}

AttentionOperands::Lines AttentionOperands::lines(const void* data, int64_t elements) const {
  return {data, (elements * static_cast<int64_t>(dtype_bytes(args_.kv_dtype)) + 63) / 64};
}

const uint32_t* AttentionOperands::keys_of(const void* data, int64_t stride, int64_t n_keys, int64_t width,
                                           bool as_rows, Lines ahead, uint32_t* room) const {
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

AttentionOperands::Panels AttentionOperands::panels_of(const AttentionTask& task, int64_t head, const KeyBlock& block,
                                                       int64_t n_keys, Lines ahead, uint32_t* key_room,
                                                       uint32_t* value_room) const {
  const bool as_rows = keys_in_rows(task);
  // One query reads each pair once: taking them all apart before would only write them and read them again.
  if (splits_pairs() && !shares_keys_ && task.queries == 1 && n_keys == kKeyBlock)
    return {.keys = reinterpret_cast<const uint32_t*>(at(block.k, head * args_.k_head)),
            .values = reinterpret_cast<const uint32_t*>(at(block.v, head * args_.v_head)),
            .value_words = kKeyBlock,
            .keys_lie = Lying::pairs,
            .values_lie = Lying::pairs};
  const uint32_t* keys =
      keys_of(at(block.k, head * args_.k_head), args_.k_row, n_keys, args_.d_k, as_rows, ahead, key_room);
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
    pack_.straight({v, args_.kv_dtype == DType::bf16, args_.v_row, n_keys, args_.d_v}, value_room);
    return {keys, value_room, pack_.depth(n_keys), as_rows ? n_keys : 0};
  }
  const auto* words = reinterpret_cast<const uint32_t*>(v);
  if (!splits_pairs()) return {keys, words, pack_.depth(kKeyBlock)};
  pack_.split(words, columns_ / kPanelColumns, kKeyBlock, value_room);
  return {keys, value_room, kKeyBlock};
}

}  // namespace nuri::cpu
