#include "arch/shape_config.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "arch/counts.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/nearest.h"

namespace nuri {
namespace {

constexpr JsonLimits kLimits{.max_bytes = 16 << 20, .max_depth = 32, .max_values = 1 << 20};
constexpr int64_t kWidth = 1 << 20, kCount = 1 << 16, kRows = 1 << 24, kLayers = 1 << 12;
constexpr double kMaxParameters = 1e15;

int64_t count(const JsonObject& c, std::string_view key, int64_t max = kCount) { return c.integer(key, 1, max); }

/// Present and not null, else the fallback.
int64_t count_or(const JsonObject& c, std::string_view key, int64_t fallback, int64_t max = kCount) {
  return c.given(key) ? c.integer(key, 0, max) : fallback;
}
bool flag_or(const JsonObject& c, std::string_view key, bool fallback) {
  return c.given(key) ? c.boolean(key) : fallback;
}

/// Keys that nearly all families share.
ModelShape common(const JsonObject& c, bool tied) {
  ModelShape s;
  s.vocab_size = count(c, "vocab_size", kRows);
  s.d_model = count(c, "hidden_size", kWidth);
  s.n_layers = count(c, "num_hidden_layers", kLayers);
  s.tied = flag_or(c, "tie_word_embeddings", tied);
  s.max_seq_len = count_or(c, "max_position_embeddings", 0, int64_t(1) << 40);
  s.attention.n_heads = count(c, "num_attention_heads");
  return s;
}

void grouped_attention(const JsonObject& c, ModelShape& s) {
  AttentionShape& a = s.attention;
  a.n_kv_heads = count_or(c, "num_key_value_heads", a.n_heads);
  a.head_dim = count_or(c, "head_dim", 0, kWidth);
  if (a.head_dim > 0) return;
  NURI_CHECK(s.d_model % a.n_heads == 0,
             "{}: hidden_size: found {}; without head_dim it must be a multiple of num_attention_heads = {}", c.where(),
             s.d_model, a.n_heads);
  a.head_dim = s.d_model / a.n_heads;
}

ModelShape llama(const JsonObject& c) {
  ModelShape s = common(c, false);
  grouped_attention(c, s);
  s.attention.qkv_bias = s.attention.out_bias = flag_or(c, "attention_bias", false);
  s.mlp.width = count(c, "intermediate_size", kRows);
  s.mlp.bias = flag_or(c, "mlp_bias", false);
  return s;
}

ModelShape qwen2(const JsonObject& c) {
  ModelShape s = llama(c);
  s.attention.qkv_bias = true;
  s.attention.out_bias = false;
  return s;
}

ModelShape qwen3(const JsonObject& c) {
  ModelShape s = llama(c);
  s.attention.other_vectors = 2 * s.attention.head_dim;
  return s;
}

/// EXAONE 3: layers under another name.
ModelShape exaone(const JsonObject& c) {
  ModelShape s;
  s.vocab_size = count(c, "vocab_size", kRows);
  s.d_model = count(c, "hidden_size", kWidth);
  s.n_layers = c.given("num_layers") ? count(c, "num_layers", kLayers) : count(c, "num_hidden_layers", kLayers);
  s.tied = flag_or(c, "tie_word_embeddings", false);
  s.max_seq_len = count_or(c, "max_position_embeddings", 0, int64_t(1) << 40);
  s.attention.n_heads = count(c, "num_attention_heads");
  grouped_attention(c, s);
  s.mlp.width = count(c, "intermediate_size", kRows);
  return s;
}

/// The layers with experts: those whose number + 1 is a multiple of decoder_sparse_step, but not those listed as MLPs.
void sparse_layers(const JsonObject& c, ModelShape& s) {
  const int64_t step = count_or(c, "decoder_sparse_step", 1);
  std::set<int64_t> dense;
  if (c.given("mlp_only_layers")) {
    const Json& list = c.at("mlp_only_layers");
    NURI_CHECK(list.is_array() && list.size() <= static_cast<size_t>(s.n_layers),
               "{}: mlp_only_layers: found {}; a list of layer numbers is needed", c.where(), json_kind(list));
    for (const Json& layer : list) {
      const Json one{{"mlp_only_layers", layer}};  // each is read by the rules of a single number
      dense.insert(JsonObject(one, c.where()).integer("mlp_only_layers", 0, s.n_layers - 1));
    }
  }
  for (int64_t i = 0; i < s.n_layers; ++i) s.n_moe_layers += step > 0 && (i + 1) % step == 0 && !dense.contains(i);
}

void qwen_experts(const JsonObject& c, ModelShape& s) {
  s.experts.n_routed = count(c, "num_experts");
  s.experts.n_active = count(c, "num_experts_per_tok");
  s.experts.expert.width = count(c, "moe_intermediate_size", kWidth);
  sparse_layers(c, s);
}

ModelShape qwen2_moe(const JsonObject& c) {
  ModelShape s = qwen2(c);
  qwen_experts(c, s);
  s.experts.shared.width = count(c, "shared_expert_intermediate_size", kWidth);
  s.experts.router_vectors = s.d_model;  // the gate of the shared expert
  return s;
}

ModelShape qwen3_moe(const JsonObject& c) {
  ModelShape s = qwen3(c);
  qwen_experts(c, s);
  return s;
}

ModelShape mixtral(const JsonObject& c) {
  ModelShape s = llama(c);
  s.experts.n_routed = count(c, "num_local_experts");
  s.experts.n_active = count(c, "num_experts_per_tok");
  s.experts.expert.width = s.mlp.width;
  s.n_moe_layers = s.n_layers;
  return s;
}

/// Every second layer sees a window; biases everywhere; a sink for each head.
ModelShape gpt_oss(const JsonObject& c) {
  ModelShape s = mixtral(c);
  s.attention.qkv_bias = s.attention.out_bias = flag_or(c, "attention_bias", true);
  s.attention.other_vectors = s.attention.n_heads;
  s.experts.expert.bias = true;
  s.experts.router_vectors = s.experts.n_routed;
  s.attention.window = count_or(c, "sliding_window", 0, kRows);
  s.attention.window_share = s.attention.window > 0 ? 0.5 : 0;
  return s;
}

ModelShape gpt2(const JsonObject& c) {
  ModelShape s;
  s.vocab_size = count(c, "vocab_size", kRows);
  s.d_model = count(c, "n_embd", kWidth);
  s.n_layers = count(c, "n_layer", kLayers);
  s.learned_positions = s.max_seq_len = count(c, "n_positions", kRows);
  s.tied = flag_or(c, "tie_word_embeddings", true);
  s.attention.n_heads = s.attention.n_kv_heads = count(c, "n_head");
  NURI_CHECK(s.d_model % s.attention.n_heads == 0, "{}: n_embd: found {}; it must be a multiple of n_head = {}",
             c.where(), s.d_model, s.attention.n_heads);
  s.attention.head_dim = s.d_model / s.attention.n_heads;
  s.attention.qkv_bias = s.attention.out_bias = true;
  s.mlp = {count_or(c, "n_inner", 4 * s.d_model, kRows), false, true};
  s.norm_bias = true;
  return s;
}

ModelShape gpt_neox(const JsonObject& c) {
  ModelShape s = common(c, false);
  grouped_attention(c, s);
  s.attention.qkv_bias = s.attention.out_bias = flag_or(c, "attention_bias", true);
  s.mlp = {count(c, "intermediate_size", kRows), false, true};
  s.norm_bias = true;
  return s;
}

ModelShape deepseek(const JsonObject& c, bool v3) {
  ModelShape s = common(c, false);
  AttentionShape& a = s.attention;
  a.latent = true;
  a.n_kv_heads = a.n_heads;
  a.q_lora_rank = count_or(c, "q_lora_rank", 0, kWidth);
  a.kv_lora_rank = count(c, "kv_lora_rank", kWidth);
  a.qk_nope_head_dim = count(c, "qk_nope_head_dim");
  a.qk_rope_head_dim = count(c, "qk_rope_head_dim");
  a.v_head_dim = count(c, "v_head_dim");
  s.mlp.width = count(c, "intermediate_size", kRows);
  ExpertsShape& e = s.experts;
  e.n_routed = count_or(c, "n_routed_experts", 0);
  if (e.n_routed == 0) return s;
  e.n_active = count(c, "num_experts_per_tok");
  e.expert.width = count(c, "moe_intermediate_size", kWidth);
  e.shared.width = count_or(c, "n_shared_experts", 0) * e.expert.width;
  e.balance_bias = v3;
  e.n_groups = count_or(c, "n_group", 1);
  e.kept_groups = count_or(c, "topk_group", 1);
  const int64_t dense = count_or(c, "first_k_dense_replace", 0), every = count_or(c, "moe_layer_freq", 1);
  for (int64_t i = dense; i < s.n_layers; ++i) s.n_moe_layers += i % std::max<int64_t>(every, 1) == 0;
  s.n_mtp_layers = v3 ? count_or(c, "num_nextn_predict_layers", 0, 16) : 0;
  return s;
}

struct Row {
  ShapeFamily family;
  ModelShape (*read)(const JsonObject&);
};
constexpr Row kRowsOfFamilies[] = {
    {{"deepseek_v2", "DeepSeek-V2 and V2-Lite"}, [](const JsonObject& c) { return deepseek(c, false); }},
    {{"deepseek_v3", "DeepSeek-V3 and R1"}, [](const JsonObject& c) { return deepseek(c, true); }},
    {{"kimi_k2", "Kimi K2, of DeepSeek-V3's shape"}, [](const JsonObject& c) { return deepseek(c, true); }},
    {{"llama", "Llama 1 to 3"}, llama},
    {{"mistral", "Mistral"}, llama},
    {{"qwen2", "Qwen2 and 2.5, R1's distilled models"}, qwen2},
    {{"qwen3", "Qwen3"}, qwen3},
    {{"exaone", "EXAONE 3 and 3.5"}, exaone},
    {{"exaone4", "EXAONE 4"}, qwen3},
    {{"mixtral", "Mixtral"}, mixtral},
    {{"qwen2_moe", "Qwen2 with experts"}, qwen2_moe},
    {{"qwen3_moe", "Qwen3 with experts"}, qwen3_moe},
    {{"gpt_oss", "gpt-oss"}, gpt_oss},
    {{"gpt2", "GPT-2 and models of that type"}, gpt2},
    {{"gpt_neox", "GPT-NeoX, Pythia"}, gpt_neox},
};

}  // namespace

std::vector<ShapeFamily> shape_families() {
  std::vector<ShapeFamily> out;
  for (const Row& row : kRowsOfFamilies) out.push_back(row.family);
  return out;
}

void validate(const ModelShape& s, std::string_view where) {
  const AttentionShape& a = s.attention;
  NURI_CHECK(a.latent || a.n_heads % std::max<int64_t>(a.n_kv_heads, 1) == 0,
             "{}: {} query heads do not share {} key heads evenly; the first must be a multiple of the second", where,
             a.n_heads, a.n_kv_heads);
  NURI_CHECK(a.latent || a.n_kv_heads >= 1, "{}: 0 key heads; at least one is needed", where);
  NURI_CHECK(s.experts.n_active <= s.experts.n_routed, "{}: {} active experts of {}; a token cannot take more", where,
             s.experts.n_active, s.experts.n_routed);
  NURI_CHECK(s.n_moe_layers <= s.n_layers, "{}: {} layers with experts of {}", where, s.n_moe_layers, s.n_layers);
  NURI_CHECK(s.n_moe_layers == s.n_layers || s.mlp.width > 0, "{}: layers without experts have no MLP width", where);
  NURI_CHECK(s.n_moe_layers == 0 || s.experts.expert.width > 0, "{}: the experts have no width", where);
  // Counted in floating point first: sizes that pass one by one may not pass together.
  const auto d = static_cast<double>(s.d_model);
  const double ffn = 3 * d *
                     std::max(static_cast<double>(s.mlp.width), static_cast<double>(s.experts.n_routed + 1) *
                                                                    static_cast<double>(s.experts.expert.width));
  const double shared = 3 * d * static_cast<double>(s.experts.shared.width);
  const double mtp = s.n_mtp_layers > 0 ? 2 * d * d : 0;
  const double heads = static_cast<double>(a.n_heads) * static_cast<double>(a.key_dim() + a.value_dim());
  const double per_layer =
      ffn + shared + mtp + 4 * d * heads + static_cast<double>(a.q_lora_rank + a.kv_lora_rank) * (heads + d);
  const double total = static_cast<double>(s.n_layers + s.n_mtp_layers + 1) * per_layer +
                       2 * static_cast<double>(s.vocab_size + s.learned_positions) * d;
  NURI_CHECK(total < kMaxParameters, "{}: about {:.2g} parameters; at most {:.0g} can be planned", where, total,
             kMaxParameters);
}

ModelShape parse_shape(std::string_view json, std::string_view file) {
  const Json value = parse_json(json, file, kLimits);
  const JsonObject c(value, std::string(file));
  const std::string type = c.text("model_type");
  std::vector<std::string_view> names;
  for (const Row& row : kRowsOfFamilies) {
    if (row.family.model_type == type) {
      ModelShape s = row.read(c);
      s.family = type;
      validate(s, file);
      return s;
    }
    names.push_back(row.family.model_type);
  }
  std::string list;
  for (const std::string_view name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  fail("{}: model_type: found \"{}\"{}; these can be planned: {}", file, type.substr(0, 60), did_you_mean(type, names),
       list);
}

ModelShape read_shape(const std::filesystem::path& path) {
  return parse_shape(read_file(path, kLimits.max_bytes), path.string());
}

}  // namespace nuri
