#include "arch/counts.h"

#include <algorithm>

namespace nuri {
namespace {

/// Matrices of an expert layer's FFN when a token takes n routed experts.
int64_t moe_matrices(const ModelShape& s, int64_t n) {
  const ExpertsShape& e = s.experts;
  return e.n_routed * s.d_model + n * e.expert.matrices(s.d_model) + e.shared.matrices(s.d_model);
}

int64_t moe_vectors(const ModelShape& s) {
  const ExpertsShape& e = s.experts;
  return (e.balance_bias ? e.n_routed : 0) + e.router_vectors + e.n_routed * e.expert.vectors(s.d_model) +
         e.shared.vectors(s.d_model);
}

/// Values of a layer without its FFN.
int64_t attention_part(const ModelShape& s) {
  return s.attention.matrices(s.d_model) + s.attention.vectors(s.d_model) + s.norms_per_layer * s.norm();
}

int64_t embedding(const ModelShape& s) { return s.vocab_size * s.d_model; }
int64_t eh_proj(const ModelShape& s) { return 2 * s.d_model * s.d_model; }

/// Sum over sequences of the pairs a layer multiplies, twice: length^2, or those of a window.
double squares(std::span<const int64_t> lengths, int64_t window) {
  double sum = 0;
  for (const int64_t length : lengths) {
    const auto n = static_cast<double>(length);
    const double w = window > 0 ? std::min(n, static_cast<double>(window)) : n;
    sum += 2 * w * n - w * w;
  }
  return sum;
}

}  // namespace

ModelShape shape_of(const DeepseekV3Config& c) {
  ModelShape s;
  s.family = "deepseek_v3";
  s.vocab_size = c.vocab_size;
  s.d_model = c.d_model;
  s.n_layers = c.n_layers;
  s.n_moe_layers = c.n_moe_layers();
  s.attention.latent = true;
  s.attention.n_heads = s.attention.n_kv_heads = c.n_heads;
  s.attention.q_lora_rank = c.q_lora_rank;
  s.attention.kv_lora_rank = c.kv_lora_rank;
  s.attention.qk_nope_head_dim = c.qk_nope_head_dim;
  s.attention.qk_rope_head_dim = c.qk_rope_head_dim;
  s.attention.v_head_dim = c.v_head_dim;
  s.mlp.width = c.d_ff;
  s.experts.n_routed = c.n_routed_experts;
  s.experts.n_active = c.n_active_experts;
  s.experts.expert.width = c.d_ff_expert;
  s.experts.shared.width = c.d_ff_shared();
  s.experts.balance_bias = true;
  s.experts.n_groups = c.n_expert_groups;
  s.experts.kept_groups = c.n_kept_groups;
  s.n_mtp_layers = c.n_mtp_layers;
  s.max_seq_len = c.max_seq_len;
  return s;
}

ParameterCounts count_parameters(const ModelShape& s) {
  const int64_t n_moe = s.n_moe_layers, n_dense = s.n_layers - n_moe;
  const ExpertsShape& e = s.experts;
  const int64_t expert = e.expert.matrices(s.d_model) + e.expert.vectors(s.d_model);
  const int64_t idle = (e.n_routed - e.n_active) * expert;
  const int64_t moe_ffn = moe_matrices(s, e.n_routed) + moe_vectors(s);
  ParameterCounts n;
  n.embedding = embedding(s);
  n.attention = s.attention.matrices(s.d_model) + s.attention.vectors(s.d_model);
  n.dense_mlp = s.mlp.matrices(s.d_model) + s.mlp.vectors(s.d_model);
  n.expert = expert;
  n.main = (s.tied ? 1 : 2) * embedding(s) + (s.head_bias ? s.vocab_size : 0) + s.learned_positions * s.d_model +
           s.norm() + s.n_layers * attention_part(s) + n_dense * n.dense_mlp + n_moe * moe_ffn;
  n.mtp = s.n_mtp_layers * (eh_proj(s) + 3 * s.norm() + attention_part(s) + moe_ffn);
  n.active = n.main - n_moe * idle;
  n.active_mtp = n.mtp - s.n_mtp_layers * idle;
  n.router_bias = e.balance_bias ? (n_moe + s.n_mtp_layers) * e.n_routed : 0;
  return n;
}

ParameterCounts count_parameters(const DeepseekV3Config& config) { return count_parameters(shape_of(config)); }

int64_t active_matrix_parameters(const ModelShape& s, bool with_mtp) {
  const int64_t n_moe = s.n_moe_layers, n_dense = s.n_layers - n_moe;
  const int64_t attention = s.attention.matrices(s.d_model);
  const int64_t moe_layer = attention + moe_matrices(s, s.experts.n_active);
  int64_t n = n_dense * (attention + s.mlp.matrices(s.d_model)) + n_moe * moe_layer + embedding(s);
  if (with_mtp) n += s.n_mtp_layers * (eh_proj(s) + moe_layer + embedding(s));
  return n;
}

int64_t active_matrix_parameters(const DeepseekV3Config& config, bool with_mtp) {
  return active_matrix_parameters(shape_of(config), with_mtp);
}

double forward_flops(const ModelShape& s, std::span<const int64_t> lengths, bool with_mtp) {
  double tokens = 0;
  for (const int64_t length : lengths) tokens += static_cast<double>(length);
  const int64_t n_blocks = s.n_layers + (with_mtp ? s.n_mtp_layers : 0);
  const AttentionShape& a = s.attention;
  const double per_square = static_cast<double>(n_blocks * a.n_heads * (a.key_dim() + a.value_dim()));
  double pairs = squares(lengths, 0);
  if (a.window_share > 0) pairs = (1 - a.window_share) * pairs + a.window_share * squares(lengths, a.window);
  return 2 * static_cast<double>(active_matrix_parameters(s, with_mtp)) * tokens + per_square * pairs;
}

double forward_flops(const DeepseekV3Config& config, std::span<const int64_t> lengths, bool with_mtp) {
  return forward_flops(shape_of(config), lengths, with_mtp);
}

double training_flops(const ModelShape& shape, std::span<const int64_t> lengths) {
  return 3 * forward_flops(shape, lengths, true);
}

double training_flops(const DeepseekV3Config& config, std::span<const int64_t> lengths) {
  return training_flops(shape_of(config), lengths);
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

double head_training_flops(const DeepseekV3Config& config, int64_t tokens, bool with_mtp) {
  const int64_t heads = 1 + (with_mtp ? config.n_mtp_layers : 0);
  return 6.0 * static_cast<double>(heads) * static_cast<double>(config.vocab_size * config.d_model) *
         static_cast<double>(tokens);
}

}  // namespace nuri
