// What tests of models share.
#pragma once

#include "arch/deepseek_v3.h"

namespace nuri::test {

/// A small model with a dense and an expert layer, whose sizes are no multiples of anything. Tests change what they are
/// about.
inline DeepseekV3Config tiny_config() {
  DeepseekV3Config c;
  c.vocab_size = 61;
  c.d_model = 24;
  c.n_layers = 2;
  c.n_heads = 2;
  c.q_lora_rank = 0;
  c.kv_lora_rank = 9;
  c.qk_nope_head_dim = 6;
  c.qk_rope_head_dim = 4;
  c.v_head_dim = 5;
  c.d_ff = 20;
  c.d_ff_expert = 7;
  c.n_routed_experts = 4;
  c.n_active_experts = 2;
  c.n_expert_groups = 1;
  c.n_kept_groups = 1;
  c.n_dense_layers = 1;
  c.max_seq_len = 64;
  return c;
}

/// The same with experts in groups, and weights so large that tokens choose different ones: for comparisons of
/// sampling, 89 ids and room for 512 tokens.
inline DeepseekV3Config grouped_config() {
  DeepseekV3Config c = tiny_config();
  c.vocab_size = 89;
  c.n_layers = 3;
  c.n_routed_experts = 8;
  c.n_active_experts = 3;
  c.n_expert_groups = 4;
  c.n_kept_groups = 2;
  c.max_seq_len = 512;
  c.initializer_range = 0.3;
  return c;
}

}  // namespace nuri::test
