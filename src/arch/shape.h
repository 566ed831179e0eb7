// What any transformer costs: its widths and counts, whatever its family. Planning needs no more; a model that is built
// has a configuration of its own (arch/deepseek_v3.h), which gives its shape.
#pragma once

#include <cstdint>
#include <string>

namespace nuri {

/// Attention with keys and values per group of heads, or from one latent (MLA). "matrices" are values multiplied with a
/// token, "vectors" the biases and norm gains beside them.
struct AttentionShape {
  bool latent = false;
  int64_t n_heads = 0, n_kv_heads = 0, head_dim = 0;  ///< head_dim: of grouped attention
  int64_t q_lora_rank = 0, kv_lora_rank = 0;          ///< of MLA; q_lora_rank 0: a plain query
  int64_t qk_nope_head_dim = 0, qk_rope_head_dim = 0, v_head_dim = 0;
  bool qkv_bias = false, out_bias = false;
  int64_t other_vectors = 0;  ///< gains of query and key norms, sinks
  int64_t window = 0;         ///< tokens seen by the layers of a window; 0: all layers see everything
  double window_share = 0;    ///< of the layers

  int64_t key_dim() const { return latent ? qk_nope_head_dim + qk_rope_head_dim : head_dim; }
  int64_t value_dim() const { return latent ? v_head_dim : head_dim; }
  int64_t kv_values() const;  ///< a token leaves in the cache of a layer
  int64_t matrices(int64_t d_model) const;
  int64_t vectors(int64_t d_model) const;
};

/// Two matrices, or three where gated; width 0: none.
struct MlpShape {
  int64_t width = 0;
  bool gated = true, bias = false;
  int64_t matrices(int64_t d_model) const { return (gated ? 3 : 2) * d_model * width; }
  int64_t vectors(int64_t d_model) const { return bias && width > 0 ? (gated ? 2 : 1) * width + d_model : 0; }
};

struct ExpertsShape {
  int64_t n_routed = 0, n_active = 0;
  MlpShape expert, shared;     ///< shared: all shared experts as one
  bool balance_bias = false;   ///< of the router, FP32 without a gradient (DeepSeek-V3)
  int64_t router_vectors = 0;  ///< biases of the router, gate of the shared expert
  int64_t kept_groups = 0;     ///< groups a token may choose from; 0: no groups
  int64_t n_groups = 0;
};

struct ModelShape {
  std::string family;  ///< model_type, or as a table calls it
  int64_t vocab_size = 0, d_model = 0, n_layers = 0;
  int64_t n_moe_layers = 0;  ///< of n_layers
  AttentionShape attention;
  MlpShape mlp;  ///< of layers without experts
  ExpertsShape experts;
  int64_t n_mtp_layers = 0;  ///< each: an expert layer, a [d_model, 2 d_model] projection, the head once more
  bool tied = false;         ///< embedding and head are one matrix
  bool head_bias = false;
  int64_t norms_per_layer = 2;  ///< of d_model each, those inside the attention not counted
  bool norm_bias = false;
  int64_t learned_positions = 0;
  int64_t max_seq_len = 0;

  int64_t norm() const { return norm_bias ? 2 * d_model : d_model; }
};

}  // namespace nuri
