#include "arch/deepseek_v3.h"

#include <nlohmann/json.hpp>

#include "arch/counts.h"
#include "arch/registry.h"
#include "arch/rope_config.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace nuri {
namespace {

constexpr JsonLimits kLimits{.max_bytes = 16 << 20, .max_depth = 32, .max_values = 1 << 20};
constexpr size_t kMaxIds = 64;
constexpr double kMaxTensors = 1 << 20;       // V3 has 45,991
constexpr double kMaxParameters = 1LL << 48;  // V3 has 0.68 x 2^40

/// The key, where it is given, must be `wanted`.
void demand(const JsonObject& config, std::string_view key, std::string_view wanted, std::string_view reason) {
  if (!config.given(key)) return;
  const std::string found = config.text(key);
  NURI_CHECK(found == wanted, "{}: {}: found \"{}\"; only \"{}\" is supported ({})", config.where(), key, found, wanted,
             reason);
}

void demand_false(const JsonObject& config, std::string_view key, std::string_view reason) {
  if (!config.given(key)) return;
  NURI_CHECK(!config.boolean(key), "{}: {}: found true; only false is supported ({})", config.where(), key, reason);
}

/// Ids as integer, list or null.
std::vector<int64_t> parse_ids(const JsonObject& config, std::string_view key, std::vector<int64_t> fallback,
                               int64_t vocab_size) {
  if (!config.has(key)) return fallback;
  if (config.is_null(key)) return {};
  const Json& value = config.at(key);
  if (!value.is_array()) return {config.integer(key, 0, vocab_size - 1)};
  NURI_CHECK(value.size() <= kMaxIds, "{}: {}: a list of {} ids; at most {} are allowed", config.where(), key,
             value.size(), kMaxIds);
  std::vector<int64_t> ids;
  for (const Json& id : value) {
    const Json one{{std::string(key), id}};  // each id is read by the same rules as a single one
    ids.push_back(JsonObject(one, config.where()).integer(key, 0, vocab_size - 1));
  }
  return ids;
}

std::string parse_dtype(const JsonObject& config) {
  for (const std::string_view key : {"dtype", "torch_dtype"}) {
    if (!config.given(key)) continue;
    const std::string dtype = config.text(key);
    NURI_CHECK(dtype == "bfloat16" || dtype == "float16" || dtype == "float32",
               "{}: {}: found \"{}\"; \"bfloat16\", \"float16\" and \"float32\" are allowed", config.where(), key,
               dtype);
    return dtype;
  }
  return "float32";
}

struct FieldReader {
  const JsonObject& config;
  void operator()(const FieldInfo& info, int64_t& field) const {
    if (info.null_is_zero && config.is_null(info.key)) {
      field = 0;
    } else {
      field = config.integer_or(info.key, field, static_cast<int64_t>(info.min), static_cast<int64_t>(info.max));
    }
  }
  void operator()(const FieldInfo& info, double& field) const {
    field = config.number_or(info.key, field, info.min, info.max);
  }
  void operator()(const FieldInfo& info, bool& field) const { field = config.boolean_or(info.key, field); }
};

void check_supported(const JsonObject& config) {
  demand(config, "scoring_func", "sigmoid", "the router of DeepSeek-V3");
  demand(config, "topk_method", "noaux_tc", "the router of DeepSeek-V3");
  demand(config, "hidden_act", "silu", "the activation of every released model of this family");
  demand_false(config, "attention_bias", "released models of this family have no biases");
  demand_false(config, "tie_word_embeddings", "embedding and head are two tensors here");
}

/// Method of quantised weights, "" where they are not.
std::string parse_quantisation(const JsonObject& config) {
  if (!config.given("quantization_config")) return {};
  const std::string method = config.object("quantization_config").text_or("quant_method", "");
  return method.empty() ? "not named" : method.substr(0, 60);
}

}  // namespace

bool DeepseekV3Config::is_moe_layer(int64_t layer) const {
  return layer >= n_layers || (layer >= n_dense_layers && layer % moe_layer_freq == 0);
}

int64_t DeepseekV3Config::n_moe_layers() const {
  int64_t n = 0;
  for (int64_t i = 0; i < n_layers; ++i) n += is_moe_layer(i);
  return n;
}

DeepseekV3Config parse_config(std::string_view json, std::string_view file) {
  const Json value = parse_json(json, file, kLimits);
  const JsonObject object(value, std::string(file));
  find_architecture(object.text("model_type"), object.where() + ": model_type");
  check_supported(object);

  DeepseekV3Config config;
  DeepseekV3Config::visit(config, FieldReader{object});
  if (object.given("num_key_value_heads")) {
    const int64_t n_kv = object.integer("num_key_value_heads", 1, 1 << 14);
    NURI_CHECK(
        n_kv == config.n_heads,
        "{}: num_key_value_heads: found {}; it must equal num_attention_heads = {} (the latent serves all heads)", file,
        n_kv, config.n_heads);
  }
  config.rope = parse_rope(object, config.max_seq_len);
  const std::vector<int64_t> bos = parse_ids(object, "bos_token_id", {0}, config.vocab_size);
  NURI_CHECK(bos.size() <= 1, "{}: bos_token_id: found {} ids; at most one is allowed", file, bos.size());
  config.bos_id = bos.empty() ? -1 : bos[0];
  config.eos_ids = parse_ids(object, "eos_token_id", {1}, config.vocab_size);
  config.dtype = parse_dtype(object);
  config.quantisation = parse_quantisation(object);
  validate(config, file);
  return config;
}

DeepseekV3Config read_config(const std::filesystem::path& path) {
  return parse_config(read_file(path, kLimits.max_bytes), path.string());
}

void validate(const DeepseekV3Config& c, std::string_view where) {
  NURI_CHECK(c.qk_rope_head_dim % 2 == 0,
             "{}: qk_rope_head_dim: found {}; an even number is needed (it is rotated in pairs)", where,
             c.qk_rope_head_dim);
  NURI_CHECK(c.n_routed_experts % c.n_expert_groups == 0, "{}: n_group: found {}; it must divide n_routed_experts = {}",
             where, c.n_expert_groups, c.n_routed_experts);
  NURI_CHECK(c.n_kept_groups <= c.n_expert_groups, "{}: topk_group: found {}; at most n_group = {} is allowed", where,
             c.n_kept_groups, c.n_expert_groups);
  NURI_CHECK(
      c.n_expert_groups == 1 || c.experts_per_group() >= 2,
      "{}: n_group: found {} groups of one expert; a group's score is the sum of its two best experts, so groups need "
      "at least two",
      where, c.n_expert_groups);
  NURI_CHECK(c.n_active_experts <= c.n_kept_groups * c.experts_per_group(),
             "{}: num_experts_per_tok: found {}; the {} kept groups hold only {} experts", where, c.n_active_experts,
             c.n_kept_groups, c.n_kept_groups * c.experts_per_group());

  const double n_tensors = double(c.n_layers + c.n_mtp_layers) * (3.0 * double(c.n_routed_experts) + 20);
  NURI_CHECK(n_tensors <= kMaxTensors, "{}: {} layers of {} experts make more than {} tensors; lower one of them",
             where, c.n_layers, c.n_routed_experts, int64_t(kMaxTensors));
  const double widest =
      double(c.d_model) * (3.0 * double(c.n_routed_experts + c.n_shared_experts) * double(c.d_ff_expert) +
                           3.0 * double(c.d_ff) + double(c.n_heads) * double(c.qk_head_dim() + c.v_head_dim) +
                           double(c.q_lora_rank + c.kv_lora_rank + c.qk_rope_head_dim)) +
      double(c.n_heads) * double(c.q_lora_rank + c.kv_lora_rank) * double(c.qk_head_dim() + c.v_head_dim);
  const double bound = double(c.n_layers + 1) * widest + 2.0 * double(c.vocab_size) * double(c.d_model);
  NURI_CHECK(bound <= kMaxParameters, "{}: these sizes make about {:.3g} parameters; at most {:.3g} are allowed", where,
             bound, kMaxParameters);
}

std::string write_config(const DeepseekV3Config& config) {
  OrderedJson out;
  out["architectures"] = {"DeepseekV3ForCausalLM"};
  out["model_type"] = "deepseek_v3";
  DeepseekV3Config::visit(config, [&](const FieldInfo& info, const auto& field) {
    if (info.key == "q_lora_rank" && config.q_lora_rank == 0) {
      out["q_lora_rank"] = nullptr;
    } else {
      out[std::string(info.key)] = field;
    }
    if (info.key == "num_attention_heads") out["num_key_value_heads"] = config.n_heads;
  });
  out["seq_aux"] = true;
  out["topk_method"] = "noaux_tc";
  out["scoring_func"] = "sigmoid";
  out["hidden_act"] = "silu";
  out["attention_bias"] = false;
  out["tie_word_embeddings"] = false;
  write_rope(config.rope, out);
  out["bos_token_id"] = config.bos_id < 0 ? OrderedJson(nullptr) : OrderedJson(config.bos_id);
  out["eos_token_id"] = config.eos_ids.empty()       ? OrderedJson(nullptr)
                        : config.eos_ids.size() == 1 ? OrderedJson(config.eos_ids[0])
                                                     : OrderedJson(config.eos_ids);
  out["torch_dtype"] = config.dtype;
  return json_text(out);
}

}  // namespace nuri
