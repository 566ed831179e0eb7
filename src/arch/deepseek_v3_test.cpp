#include "arch/deepseek_v3.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "arch/registry.h"
#include "base/file.h"
#include "base/json.h"
#include "base/test_support.h"

namespace nuri {
namespace {

using test::error_of;

const fs::path kRecipes = fs::path(NURI_SOURCE_DIR) / "recipes";

/// nano's description with some keys replaced.
std::string nano_with(const std::string& key, const Json& value) {
  Json config = read_json_file(kRecipes / "nano" / "config.json");
  config[key] = value;
  return config.dump();
}

std::string refusal(const std::string& key, const Json& value) {
  return error_of([&] { parse_config(nano_with(key, value), "c.json"); });
}

TEST(DeepseekV3Config, MissingKeysTakeTheReleasedDefaults) {
  const DeepseekV3Config c = parse_config(R"({"model_type":"deepseek_v3"})", "c.json");
  EXPECT_EQ(c, DeepseekV3Config());
  EXPECT_EQ(c.max_seq_len, 4096);
  EXPECT_EQ(c.rope, RopeConfig());
}

TEST(DeepseekV3Config, ReadsThePublishedModel) {
  const DeepseekV3Config c = read_config(kRecipes / "v3" / "config.json");
  EXPECT_EQ(c.max_seq_len, 163840);
  EXPECT_EQ(c.dtype, "bfloat16");
  EXPECT_EQ(c.bos_id, 0);
  EXPECT_EQ(c.eos_ids, std::vector<int64_t>{1});
  ASSERT_TRUE(c.rope.yarn);
  EXPECT_EQ(c.rope.yarn->factor, 40);
  EXPECT_EQ(c.rope.yarn->original_max_position, 4096);
  EXPECT_EQ(c.rope.yarn->mscale_all_dim, 1);
  EXPECT_EQ(c.n_moe_layers(), 58);
  EXPECT_FALSE(c.is_moe_layer(2));
  EXPECT_TRUE(c.is_moe_layer(3));
  EXPECT_TRUE(c.is_moe_layer(61));
}

TEST(DeepseekV3Config, QuantisedWeightsAreDescribed) {
  const Json fp8 = {{"quant_method", "fp8"}, {"fmt", "e4m3"}, {"weight_block_size", {128, 128}}};
  DeepseekV3Config c = parse_config(nano_with("quantization_config", fp8), "c.json");
  EXPECT_EQ(c.quantisation, "fp8");
  c.quantisation.clear();
  EXPECT_EQ(c, read_config(kRecipes / "nano" / "config.json"));
  EXPECT_EQ(parse_config(nano_with("quantization_config", Json::object()), "c.json").quantisation, "not named");
  EXPECT_EQ(parse_config(nano_with("quantization_config", nullptr), "c.json").quantisation, "");
}

TEST(DeepseekV3Config, PresetsAreTheSharedOnes) {
  NURI_SHARED_OR_SKIP(shared);
  for (const char* name : {"nano", "micro", "small"}) {
    EXPECT_EQ(read_json_file(kRecipes / name / "config.json"),
              read_json_file(shared / "bench" / "configs" / (std::string(name) + ".json")))
        << name;
  }
}

TEST(DeepseekV3Config, BothStylesSayTheSame) {
  NURI_SHARED_OR_SKIP(shared);
  DeepseekV3Config released = read_config(shared / "golden" / "deepseek_v3" / "config.json");
  const DeepseekV3Config newer = read_config(shared / "golden" / "deepseek_v3_saved" / "config.json");
  EXPECT_EQ(released.dtype, "float32");
  released.dtype = "bfloat16";
  EXPECT_EQ(released, newer);
}

TEST(DeepseekV3Config, WrittenTextReadsBackEqual) {
  std::vector<DeepseekV3Config> configs{DeepseekV3Config()};
  for (const char* name : {"nano", "micro", "small", "v3"})
    configs.push_back(read_config(kRecipes / name / "config.json"));
  configs.push_back(configs.back());
  configs.back().rope.interleaved = false;
  configs.back().rope.yarn->attention_factor = 1.25;
  configs.back().rope.yarn->mscale = 0;
  configs.back().bos_id = -1;
  configs.back().eos_ids = {1, 5};
  configs.push_back(configs[1]);
  configs.back().eos_ids.clear();
  for (const DeepseekV3Config& config : configs) EXPECT_EQ(parse_config(write_config(config), "w"), config);
}

TEST(DeepseekV3Config, WrittenKeysAreTheReleasedOnes) {
  const Json published = read_json_file(kRecipes / "v3" / "config.json");
  const Json written = Json::parse(write_config(read_config(kRecipes / "v3" / "config.json")));
  for (const auto& [key, value] : published.items()) {
    if (key == "ep_size") continue;  // a hint for one runtime
    EXPECT_EQ(written.value(key, Json("absent")), value) << key;
  }
}

TEST(DeepseekV3Config, EosMayBeAList) {
  EXPECT_EQ(parse_config(nano_with("eos_token_id", {1, 7}), "c").eos_ids, (std::vector<int64_t>{1, 7}));
  EXPECT_EQ(parse_config(nano_with("eos_token_id", nullptr), "c").eos_ids, std::vector<int64_t>());
  EXPECT_EQ(parse_config(nano_with("bos_token_id", nullptr), "c").bos_id, -1);
}

TEST(DeepseekV3Config, RopeSpellings) {
  const Json yarn{{"rope_type", "yarn"}, {"factor", 4}};
  const RopeConfig rope = parse_config(nano_with("rope_scaling", yarn), "c").rope;
  ASSERT_TRUE(rope.yarn);
  EXPECT_EQ(rope.yarn->original_max_position, 1024);  // max_position_embeddings
  EXPECT_EQ(rope.yarn->mscale_all_dim, 0);
  const Json merged{{"rope_type", "default"}, {"rope_theta", 500000.0}};
  EXPECT_EQ(parse_config(nano_with("rope_parameters", merged), "c").rope.theta, 500000);
  EXPECT_EQ(refusal("rope_scaling", {{"type", "llama3"}, {"factor", 8}}),
            "c.json: rope_scaling: rope_type: found \"llama3\"; \"default\" and \"yarn\" are supported for this "
            "architecture");
  EXPECT_NE(refusal("rope_scaling", {{"type", "yarn"}}).find("\"factor\" is missing"), std::string::npos);
  EXPECT_NE(refusal("rope_scaling", {{"type", "yarn"}, {"factor", 0.5}}).find("factor: found 0.5"), std::string::npos);
  EXPECT_NE(refusal("rope_scaling", 7).find("c.json: rope_scaling: found an integer"), std::string::npos);
}

TEST(DeepseekV3Config, RefusalsNameFileKeyAndReason) {
  EXPECT_EQ(refusal("hidden_size", -1), "c.json: hidden_size: found -1; an integer from 1 to 1048576 is allowed");
  EXPECT_EQ(refusal("hidden_size", "192"),
            "c.json: hidden_size: found \"192\"; an integer from 1 to 1048576 is allowed");
  EXPECT_EQ(refusal("n_group", 3), "c.json: n_group: found 3; it must divide n_routed_experts = 16");
  EXPECT_EQ(refusal("topk_group", 2), "c.json: topk_group: found 2; at most n_group = 1 is allowed");
  EXPECT_EQ(refusal("scoring_func", "softmax"),
            "c.json: scoring_func: found \"softmax\"; only \"sigmoid\" is supported (the router of DeepSeek-V3)");
  EXPECT_EQ(
      refusal("model_type", "llama"),
      "c.json: model_type: found \"llama\"; this program builds \"deepseek_v3\" (DeepSeek-V3, R1 and models of that "
      "shape): choose such a model");
  EXPECT_NE(refusal("quantization_config", "fp8").find("an object"), std::string::npos);
  EXPECT_NE(refusal("quantization_config", {{"quant_method", 8}}).find("quant_method"), std::string::npos);
  const std::map<std::string, Json> bad{{"n_group", 16},
                                        {"num_experts_per_tok", 17},
                                        {"topk_method", "greedy"},
                                        {"hidden_act", "gelu"},
                                        {"attention_bias", true},
                                        {"tie_word_embeddings", true},
                                        {"num_hidden_layers", 0},
                                        {"num_hidden_layers", 1 << 20},
                                        {"q_lora_rank", -1},
                                        {"qk_rope_head_dim", 15},
                                        {"kv_lora_rank", nullptr},
                                        {"vocab_size", int64_t(1) << 40},
                                        {"rms_norm_eps", 0},
                                        {"rms_norm_eps", "1e-6"},
                                        {"rope_theta", 0},
                                        {"norm_topk_prob", 1},
                                        {"eos_token_id", 4096},
                                        {"eos_token_id", {1, "2"}},
                                        {"bos_token_id", -5},
                                        {"torch_dtype", "int8"},
                                        {"n_shared_experts", 0},
                                        {"num_key_value_heads", 2},
                                        {"hidden_size", 1e300},
                                        {"model_type", 3},
                                        {"n_routed_experts", 1e9},
                                        {"rope_parameters", {1, 2}},
                                        {"num_nextn_predict_layers", 2}};
  for (const auto& [key, value] : bad) {
    EXPECT_EQ(refusal(key, value).rfind("c.json: " + key, 0), 0u) << key << ": " << refusal(key, value);
  }
  EXPECT_EQ(error_of([] { parse_config("[]", "c.json"); }), "c.json: found an array; an object {...} is needed");
  EXPECT_EQ(error_of([] { parse_config("{}", "c.json"); }), "c.json: the key \"model_type\" is missing; add it");
}

TEST(DeepseekV3Config, RefusesSizesThatNoMemoryHolds) {
  Json huge = read_json_file(kRecipes / "v3" / "config.json");
  huge["num_hidden_layers"] = 1024;
  huge["n_routed_experts"] = 16384;
  EXPECT_NE(error_of([&] { parse_config(huge.dump(), "c"); }).find("more than 1048576 tensors"), std::string::npos);
  huge["n_routed_experts"] = 256;
  huge["hidden_size"] = 1 << 20;
  huge["intermediate_size"] = 1 << 24;
  EXPECT_NE(error_of([&] { parse_config(huge.dump(), "c"); }).find("parameters; at most"), std::string::npos);
}

TEST(TensorSpecs, AreTheTensorsOfTheGoldenFiles) {
  NURI_SHARED_OR_SKIP(shared);
  for (const char* name : {"deepseek_v3", "deepseek_v3_plain"}) {
    // The header of a safetensors file is JSON after eight bytes of length: read here without the reader of io.
    const std::string file = read_file(shared / "golden" / name / "model.safetensors");
    uint64_t n = 0;
    memcpy(&n, file.data(), 8);
    std::map<std::string, std::vector<int64_t>> stored, specified;
    const Json header = Json::parse(file.substr(8, n));
    for (const auto& [key, value] : header.items()) {
      if (key != "__metadata__") stored[key] = value["shape"].get<std::vector<int64_t>>();
    }
    for (const TensorSpec& spec : tensor_specs(read_config(shared / "golden" / name / "config.json"))) {
      EXPECT_TRUE(specified.emplace(spec.name, spec.shape).second) << spec.name;
    }
    EXPECT_EQ(specified, stored) << name;
  }
}

TEST(TensorSpecs, PublishedShapesOfV3) {
  const DeepseekV3Config c = read_config(kRecipes / "v3" / "config.json");
  std::map<std::string, TensorSpec> specs;
  for (TensorSpec& spec : tensor_specs(c)) specs[spec.name] = spec;
  using S = std::vector<int64_t>;
  EXPECT_EQ(specs.at("model.layers.0.self_attn.q_b_proj.weight").shape, (S{24576, 1536}));
  EXPECT_EQ(specs.at("model.layers.0.self_attn.kv_a_proj_with_mqa.weight").shape, (S{576, 7168}));
  EXPECT_EQ(specs.at("model.layers.0.self_attn.kv_b_proj.weight").shape, (S{32768, 512}));
  EXPECT_EQ(specs.at("model.layers.2.mlp.down_proj.weight").shape, (S{7168, 18432}));
  EXPECT_EQ(specs.at("model.layers.60.mlp.experts.255.gate_proj.weight").shape, (S{2048, 7168}));
  EXPECT_EQ(specs.at("model.layers.60.mlp.experts.255.gate_proj.weight").expert, 255);
  EXPECT_EQ(specs.at("model.layers.3.mlp.gate.e_score_correction_bias").role, TensorRole::router_bias);
  EXPECT_EQ(specs.at("model.layers.61.eh_proj.weight").shape, (S{7168, 14336}));
  EXPECT_EQ(specs.at("model.layers.61.shared_head.norm.weight").layer, 61);
  EXPECT_EQ(specs.count("model.layers.61.embed_tokens.weight"), 0u);
  EXPECT_EQ(shared_copy_of(c, "model.layers.61.embed_tokens.weight"), "model.embed_tokens.weight");
  EXPECT_EQ(shared_copy_of(c, "model.layers.61.shared_head.head.weight"), "lm_head.weight");
  EXPECT_EQ(shared_copy_of(c, "model.layers.60.embed_tokens.weight"), std::nullopt);
}

TEST(Registry, RowsAreFoundByModelType) {
  for (const Architecture& row : architectures()) EXPECT_EQ(&find_architecture(row.model_type, "x"), &row);
}

}  // namespace
}  // namespace nuri
