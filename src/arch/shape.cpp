#include "arch/shape.h"

namespace nuri {

int64_t AttentionShape::kv_values() const {
  return latent ? kv_lora_rank + qk_rope_head_dim : 2 * n_kv_heads * head_dim;
}

int64_t AttentionShape::matrices(int64_t d) const {
  if (!latent) return d * head_dim * (2 * n_heads + 2 * n_kv_heads);
  const int64_t n_query = n_heads * key_dim();
  const int64_t query = q_lora_rank == 0 ? n_query * d : q_lora_rank * (d + n_query);
  return query + kv_values() * d + n_heads * (qk_nope_head_dim + v_head_dim) * kv_lora_rank + d * n_heads * v_head_dim;
}

int64_t AttentionShape::vectors(int64_t d) const {
  const int64_t latents = latent ? q_lora_rank + kv_lora_rank : 0;
  const int64_t biases = (qkv_bias ? (n_heads + 2 * n_kv_heads) * head_dim : 0) + (out_bias ? d : 0);
  return latents + biases + other_vectors;
}

}  // namespace nuri
