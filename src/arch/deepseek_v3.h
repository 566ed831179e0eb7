// The DeepSeek-V3 family (V3, R1 and models of that shape): latent attention, fine-grained experts balanced by a bias,
// and prediction of the token after next (MTP).
//
//   layer i, input h [n_tokens, d_model]:  h += attention(norm(h));  h += ffn(norm(h))
//   ffn of layer i: dense while i < n_dense_layers, else 1 shared MLP + n_active_experts of n_routed_experts
//   MTP module k is layer n_layers + k of the files: eh_proj [enorm(embedding) ; hnorm(hidden)], one expert layer, a
//   norm; it looks up the main embedding and ends in the main head.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arch/config.h"

namespace nuri {

/// Norms inside the attention (q and kv latents) always use this epsilon, whatever rms_norm_eps says.
inline constexpr double kLatentNormEps = 1e-6;

/// Defaults are those of a released config.json in which the key is missing.
struct DeepseekV3Config {
  int64_t vocab_size = 129280;
  int64_t d_model = 7168;
  int64_t n_layers = 61;
  int64_t n_heads = 128;
  int64_t q_lora_rank = 1536;
  int64_t kv_lora_rank = 512;
  int64_t qk_nope_head_dim = 128;
  int64_t qk_rope_head_dim = 64;
  int64_t v_head_dim = 128;
  int64_t d_ff = 18432;
  int64_t d_ff_expert = 2048;
  int64_t n_routed_experts = 256;
  int64_t n_shared_experts = 1;
  int64_t n_active_experts = 8;
  int64_t n_expert_groups = 8;
  int64_t n_kept_groups = 4;
  bool norm_topk_prob = true;
  double route_scale = 2.5;
  int64_t n_dense_layers = 3;
  int64_t moe_layer_freq = 1;
  int64_t n_mtp_layers = 1;
  int64_t max_seq_len = 4096;
  double rms_norm_eps = 1e-6;
  double initializer_range = 0.02;
  double aux_loss_alpha = 0.001;
  int64_t bos_id = 0;               ///< -1: none
  std::vector<int64_t> eos_ids{1};  ///< empty: none
  std::string dtype = "float32";    ///< bfloat16, float16 or float32: what the weights were saved as
  std::string quantisation;         ///< method of quantised weights ("fp8"), which are described but not loaded
  RopeConfig rope;

  int64_t qk_head_dim() const { return qk_nope_head_dim + qk_rope_head_dim; }
  int64_t d_ff_shared() const { return n_shared_experts * d_ff_expert; }
  int64_t experts_per_group() const { return n_routed_experts / n_expert_groups; }
  /// Values a token leaves in the cache of one layer: absorbed form (latent and rope key), expanded form (keys,
  /// values).
  int64_t latent_cache_dim() const { return kv_lora_rank + qk_rope_head_dim; }
  int64_t expanded_cache_dim() const { return n_heads * (qk_head_dim() + v_head_dim); }
  /// Whether layer i (0-based; MTP modules from n_layers on) has experts.
  bool is_moe_layer(int64_t layer) const;
  int64_t n_moe_layers() const;  ///< MTP modules not counted

  bool operator==(const DeepseekV3Config&) const = default;

  /// The one list of plain fields; reading, writing, printing and comparing walk it. Rope and ids stand apart.
  template <class Self, class Field>
  static void visit(Self& self, Field&& field) {
    using F = FieldInfo;
    constexpr double kWidth = 1 << 20, kCount = 1 << 14;
    field(F{"vocab_size", "vocab_size", 2, 1 << 24, "rows of the embedding and of the head"}, self.vocab_size);
    field(F{"d_model", "hidden_size", 1, kWidth, "width of the residual stream"}, self.d_model);
    field(F{"d_ff", "intermediate_size", 1, 1 << 24, "inner width of a dense layer's MLP"}, self.d_ff);
    field(F{"d_ff_expert", "moe_intermediate_size", 1, kWidth, "inner width of one expert"}, self.d_ff_expert);
    field(F{"n_layers", "num_hidden_layers", 1, 1024, "layers without MTP"}, self.n_layers);
    field(F{"n_heads", "num_attention_heads", 1, kCount, "attention heads"}, self.n_heads);
    field(F{"q_lora_rank", "q_lora_rank", 0, kWidth, "width of the query latent; 0 or null: a plain query", true},
          self.q_lora_rank);
    field(F{"kv_lora_rank", "kv_lora_rank", 1, kWidth, "width of the cached latent"}, self.kv_lora_rank);
    field(F{"qk_nope_head_dim", "qk_nope_head_dim", 1, kCount, "part of a head's key without position"},
          self.qk_nope_head_dim);
    field(F{"qk_rope_head_dim", "qk_rope_head_dim", 2, kCount, "rotated part of a head's key, shared by all heads"},
          self.qk_rope_head_dim);
    field(F{"v_head_dim", "v_head_dim", 1, kCount, "width of a head's value"}, self.v_head_dim);
    field(F{"n_routed_experts", "n_routed_experts", 1, kCount, "experts a router chooses from"}, self.n_routed_experts);
    field(F{"n_shared_experts", "n_shared_experts", 1, 1024, "experts every token takes, joined into one MLP"},
          self.n_shared_experts);
    field(F{"n_active_experts", "num_experts_per_tok", 1, kCount, "routed experts a token takes"},
          self.n_active_experts);
    field(F{"n_expert_groups", "n_group", 1, kCount, "groups of consecutive experts"}, self.n_expert_groups);
    field(F{"n_kept_groups", "topk_group", 1, kCount, "groups a token may choose from"}, self.n_kept_groups);
    field(F{"norm_topk_prob", "norm_topk_prob", 0, 1, "weights of the chosen experts are divided by their sum"},
          self.norm_topk_prob);
    field(F{"route_scale", "routed_scaling_factor", 1e-6, 1e6, "factor of the expert weights"}, self.route_scale);
    field(F{"n_dense_layers", "first_k_dense_replace", 0, 1024, "leading layers without experts"}, self.n_dense_layers);
    field(F{"moe_layer_freq", "moe_layer_freq", 1, 1024, "of the other layers every so manyth has experts"},
          self.moe_layer_freq);
    field(F{"n_mtp_layers", "num_nextn_predict_layers", 0, 1, "modules that predict the token after next", true},
          self.n_mtp_layers);
    field(F{"max_seq_len", "max_position_embeddings", 1, 1 << 28, "tokens of context"}, self.max_seq_len);
    field(F{"rms_norm_eps", "rms_norm_eps", 1e-12, 1, "epsilon of the norms"}, self.rms_norm_eps);
    field(F{"initializer_range", "initializer_range", 0, 10, "standard deviation of the initial weights"},
          self.initializer_range);
    field(F{"aux_loss_alpha", "aux_loss_alpha", 0, 1000, "weight of the balance loss"}, self.aux_loss_alpha);
  }
};

/// Reads a Hugging Face config.json, released style (rope_theta, rope_scaling, torch_dtype) or newer (rope_parameters,
/// dtype). Unknown keys are ignored, missing ones take the defaults above. `file` is how errors name the text. Errors:
/// not JSON, wrong types, impossible sizes, and what this program does not build (another model_type, router,
/// activation, tied embeddings), each with the reason.
DeepseekV3Config parse_config(std::string_view json, std::string_view file);
DeepseekV3Config read_config(const std::filesystem::path& path);

/// Checks what no single field can say (groups, experts, sizes in all); parse_config ends with it. `where` names the
/// description in errors.
void validate(const DeepseekV3Config& config, std::string_view where);

/// The text of a config.json in the released style.
std::string write_config(const DeepseekV3Config& config);

/// Every tensor of a model directory in file order: embedding, layers, final norm, head, MTP modules. The copies of
/// embedding and head that released files hold under an MTP module are not in it: see shared_copy_of.
std::vector<TensorSpec> tensor_specs(const DeepseekV3Config& config);

/// For model.layers.<MTP>.embed_tokens.weight and .shared_head.head.weight: the main tensor that it repeats.
std::optional<std::string_view> shared_copy_of(const DeepseekV3Config& config, std::string_view name);

}  // namespace nuri
