#include "arch/counts.h"

namespace nuri {
namespace {

/// Matrices of one attention block.
int64_t attention_matrices(const DeepseekV3Config& c) {
  const int64_t n_query = c.n_heads * c.qk_head_dim();
  const int64_t query = c.q_lora_rank == 0 ? n_query * c.d_model : c.q_lora_rank * (c.d_model + n_query);
  return query + c.latent_cache_dim() * c.d_model + c.n_heads * (c.qk_nope_head_dim + c.v_head_dim) * c.kv_lora_rank +
         c.d_model * c.n_heads * c.v_head_dim;
}

int64_t expert_matrices(const DeepseekV3Config& c) { return 3 * c.d_model * c.d_ff_expert; }
int64_t dense_matrices(const DeepseekV3Config& c) { return 3 * c.d_model * c.d_ff; }

/// Matrices of an expert layer's FFN when a token takes n routed experts.
int64_t moe_matrices(const DeepseekV3Config& c, int64_t n) {
  return c.n_routed_experts * c.d_model + n * expert_matrices(c) + 3 * c.d_model * c.d_ff_shared();
}

/// Norm gains of one layer, latents included.
int64_t layer_norms(const DeepseekV3Config& c) { return 2 * c.d_model + c.q_lora_rank + c.kv_lora_rank; }

int64_t head(const DeepseekV3Config& c) { return c.vocab_size * c.d_model; }
int64_t eh_proj(const DeepseekV3Config& c) { return 2 * c.d_model * c.d_model; }

}  // namespace

ParameterCounts count_parameters(const DeepseekV3Config& c) {
  const int64_t n_moe = c.n_moe_layers(), n_dense = c.n_layers - n_moe;
  const int64_t idle = (c.n_routed_experts - c.n_active_experts) * expert_matrices(c);
  const int64_t moe_ffn = moe_matrices(c, c.n_routed_experts) + c.n_routed_experts;
  ParameterCounts n;
  n.embedding = head(c);
  n.attention = attention_matrices(c) + c.q_lora_rank + c.kv_lora_rank;
  n.dense_mlp = dense_matrices(c);
  n.expert = expert_matrices(c);
  n.main = 2 * head(c) + c.d_model + c.n_layers * (attention_matrices(c) + layer_norms(c)) +
           n_dense * dense_matrices(c) + n_moe * moe_ffn;
  n.mtp = c.n_mtp_layers * (eh_proj(c) + 3 * c.d_model + attention_matrices(c) + layer_norms(c) + moe_ffn);
  n.active = n.main - n_moe * idle;
  n.active_mtp = n.mtp - c.n_mtp_layers * idle;
  n.router_bias = (n_moe + c.n_mtp_layers) * c.n_routed_experts;
  return n;
}

int64_t active_matrix_parameters(const DeepseekV3Config& c, bool with_mtp) {
  const int64_t n_moe = c.n_moe_layers(), n_dense = c.n_layers - n_moe;
  const int64_t moe_layer = attention_matrices(c) + moe_matrices(c, c.n_active_experts);
  int64_t n = n_dense * (attention_matrices(c) + dense_matrices(c)) + n_moe * moe_layer + head(c);
  if (with_mtp) n += c.n_mtp_layers * (eh_proj(c) + moe_layer + head(c));
  return n;
}

double forward_flops(const DeepseekV3Config& c, std::span<const int64_t> lengths, bool with_mtp) {
  double tokens = 0, squares = 0;
  for (const int64_t length : lengths) {
    tokens += static_cast<double>(length);
    squares += static_cast<double>(length) * static_cast<double>(length);
  }
  const int64_t n_blocks = c.n_layers + (with_mtp ? c.n_mtp_layers : 0);
  const double per_square = static_cast<double>(n_blocks * c.n_heads * (c.qk_head_dim() + c.v_head_dim));
  return 2 * static_cast<double>(active_matrix_parameters(c, with_mtp)) * tokens + per_square * squares;
}

double training_flops(const DeepseekV3Config& config, std::span<const int64_t> lengths) {
  return 3 * forward_flops(config, lengths, true);
}

int64_t weight_bytes(const DeepseekV3Config& config, int64_t value_bytes, bool with_mtp) {
  DeepseekV3Config counted = config;
  if (!with_mtp) counted.n_mtp_layers = 0;
  const ParameterCounts n = count_parameters(counted);
  return (n.total() - n.router_bias) * value_bytes + n.router_bias * 4;
}

int64_t kv_bytes_per_token(const DeepseekV3Config& c, MlaForm form, int64_t value_bytes) {
  return c.n_layers * value_bytes * (form == MlaForm::absorbed ? c.latent_cache_dim() : c.expanded_cache_dim());
}

}  // namespace nuri
