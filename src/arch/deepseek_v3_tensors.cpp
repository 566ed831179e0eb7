// The tensors of a DeepSeek-V3 directory under their released names.
#include <fmt/format.h>

#include "arch/deepseek_v3.h"

namespace nuri {
namespace {

class SpecWriter {
 public:
  explicit SpecWriter(const DeepseekV3Config& config) : c_(config) {}

  std::vector<TensorSpec> all() {
    add("model.embed_tokens.weight", {c_.vocab_size, c_.d_model}, TensorRole::embedding);
    for (int64_t i = 0; i < c_.n_layers; ++i) layer(i);
    enter(-1);
    add("model.norm.weight", {c_.d_model}, TensorRole::norm);
    add("lm_head.weight", {c_.vocab_size, c_.d_model}, TensorRole::head);
    for (int64_t k = 0; k < c_.n_mtp_layers; ++k) mtp(c_.n_layers + k);
    return std::move(specs_);
  }

 private:
  void enter(int64_t layer) {
    layer_ = layer;
    prefix_ = layer < 0 ? "" : fmt::format("model.layers.{}.", layer);
  }
  void add(std::string_view name, std::vector<int64_t> shape, TensorRole role = TensorRole::matrix,
           int64_t expert = -1) {
    specs_.push_back({prefix_ + std::string(name), std::move(shape), role, layer_, expert});
  }
  void norm(std::string_view name, int64_t width) { add(name, {width}, TensorRole::norm); }

  void attention() {
    const int64_t n_query = c_.n_heads * c_.qk_head_dim();
    if (c_.q_lora_rank == 0) {
      add("self_attn.q_proj.weight", {n_query, c_.d_model});
    } else {
      add("self_attn.q_a_proj.weight", {c_.q_lora_rank, c_.d_model});
      norm("self_attn.q_a_layernorm.weight", c_.q_lora_rank);
      add("self_attn.q_b_proj.weight", {n_query, c_.q_lora_rank});
    }
    add("self_attn.kv_a_proj_with_mqa.weight", {c_.kv_lora_rank + c_.qk_rope_head_dim, c_.d_model});
    norm("self_attn.kv_a_layernorm.weight", c_.kv_lora_rank);
    add("self_attn.kv_b_proj.weight", {c_.n_heads * (c_.qk_nope_head_dim + c_.v_head_dim), c_.kv_lora_rank});
    add("self_attn.o_proj.weight", {c_.d_model, c_.n_heads * c_.v_head_dim});
  }

  void mlp(const std::string& name, int64_t width, int64_t expert = -1) {
    add(name + "gate_proj.weight", {width, c_.d_model}, TensorRole::matrix, expert);
    add(name + "up_proj.weight", {width, c_.d_model}, TensorRole::matrix, expert);
    add(name + "down_proj.weight", {c_.d_model, width}, TensorRole::matrix, expert);
  }

  void body(int64_t i) {
    norm("input_layernorm.weight", c_.d_model);
    attention();
    norm("post_attention_layernorm.weight", c_.d_model);
    if (!c_.is_moe_layer(i)) return mlp("mlp.", c_.d_ff);
    add("mlp.gate.weight", {c_.n_routed_experts, c_.d_model}, TensorRole::router);
    add("mlp.gate.e_score_correction_bias", {c_.n_routed_experts}, TensorRole::router_bias);
    for (int64_t e = 0; e < c_.n_routed_experts; ++e) mlp(fmt::format("mlp.experts.{}.", e), c_.d_ff_expert, e);
    mlp("mlp.shared_experts.", c_.d_ff_shared());
  }

  void layer(int64_t i) {
    enter(i);
    body(i);
  }

  void mtp(int64_t i) {
    enter(i);
    norm("enorm.weight", c_.d_model);
    norm("hnorm.weight", c_.d_model);
    add("eh_proj.weight", {c_.d_model, 2 * c_.d_model});
    body(i);
    norm("shared_head.norm.weight", c_.d_model);
  }

  const DeepseekV3Config& c_;
  std::vector<TensorSpec> specs_;
  std::string prefix_;
  int64_t layer_ = -1;
};

}  // namespace

std::vector<TensorSpec> tensor_specs(const DeepseekV3Config& config) { return SpecWriter(config).all(); }

std::optional<std::string_view> shared_copy_of(const DeepseekV3Config& config, std::string_view name) {
  // Also without MTP in the description: released directories hold the copies, and a model may be read without MTP.
  for (int64_t i = config.n_layers; i < config.n_layers + std::max<int64_t>(1, config.n_mtp_layers); ++i) {
    const std::string prefix = fmt::format("model.layers.{}.", i);
    if (name == prefix + "embed_tokens.weight") return "model.embed_tokens.weight";
    if (name == prefix + "shared_head.head.weight") return "lm_head.weight";
  }
  return std::nullopt;
}

}  // namespace nuri
