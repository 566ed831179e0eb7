#include "arch/shape_config.h"

#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "arch/counts.h"
#include "base/file.h"
#include "base/json.h"
#include "base/test_support.h"

namespace nuri {
namespace {

namespace fs = std::filesystem;

/// Values of all tensors of a safetensors file, by its header.
int64_t values_in(const fs::path& path) {
  const std::string bytes = read_file(path, 1 << 30);
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  const Json header = parse_json(std::string_view(bytes).substr(8, length), path.string());
  int64_t total = 0;
  for (const auto& [name, tensor] : header.items()) {
    if (name == "__metadata__") continue;
    int64_t n = 1;
    for (const Json& side : tensor.at("shape")) n *= side.get<int64_t>();
    total += n;
  }
  return total;
}

TEST(ShapeConfig, CountsTheTensorsOfRealFiles) {
  NURI_SHARED_OR_SKIP(shared);
  for (const char* name :
       {"golden/llama", "golden/qwen2", "golden/qwen3", "golden/deepseek_v2", "golden/deepseek_v2_lite",
        "golden/deepseek_v3", "golden/deepseek_v3_plain", "golden/llama_saved", "golden/deepseek_v3_saved",
        "data/models/tiny_llama_bf16", "data/models/stories260K"}) {
    const fs::path dir = shared / name;
    ParameterCounts n = count_parameters(read_shape(dir / "config.json"));
    // A file may leave out what training alone needs.
    int64_t found = 0;
    for (const fs::directory_entry& file : fs::directory_iterator(dir))
      if (file.path().filename().string().starts_with("model") && file.path().extension() == ".safetensors")
        found += values_in(file.path());
    EXPECT_TRUE(found == n.total() || found == n.main)
        << name << ": " << found << " in the file, " << n.total() << " and " << n.main << " counted";
  }
}

TEST(ShapeConfig, PresetsCountAsTheModelsThatAreBuilt) {
  for (const char* name : {"nano", "micro", "small", "v3"}) {
    const fs::path path = fs::path(NURI_SOURCE_DIR) / "recipes" / name / "config.json";
    const ParameterCounts a = count_parameters(read_shape(path)), b = count_parameters(read_config(path));
    EXPECT_EQ(a.main, b.main) << name;
    EXPECT_EQ(a.mtp, b.mtp) << name;
    EXPECT_EQ(a.active, b.active) << name;
  }
}

std::string deepseek_v2(bool lite) {
  return lite ? R"({"model_type": "deepseek_v2", "vocab_size": 102400, "hidden_size": 2048, "intermediate_size": 10944,
    "moe_intermediate_size": 1408, "num_hidden_layers": 27, "num_attention_heads": 16, "num_key_value_heads": 16,
    "q_lora_rank": null, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
    "n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1})"
              : R"({"model_type": "deepseek_v2", "vocab_size": 102400, "hidden_size": 5120, "intermediate_size": 12288,
    "moe_intermediate_size": 1536, "num_hidden_layers": 60, "num_attention_heads": 128, "num_key_value_heads": 128,
    "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
    "n_routed_experts": 160, "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1,
    "n_group": 8, "topk_group": 3})";
}

TEST(ShapeConfig, PublishedTotals) {
  const auto total = [](const std::string& json) { return count_parameters(parse_shape(json, "config.json")).total(); };
  EXPECT_EQ(total(deepseek_v2(true)), 15'706'484'224);    // V2-Lite
  EXPECT_EQ(total(deepseek_v2(false)), 235'741'434'880);  // V2
  EXPECT_EQ(total(R"({"model_type": "llama", "vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8})"),
            8'030'261'248);  // Llama 3 8B
  EXPECT_EQ(total(R"({"model_type": "mixtral", "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8,
    "num_experts_per_tok": 2})"),
            46'702'792'704);  // Mixtral 8x7B
  EXPECT_EQ(total(R"({"model_type": "gpt2", "vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12,
    "n_positions": 1024})"),
            124'439'808);  // GPT-2
  EXPECT_EQ(total(R"({"model_type": "gpt_neox", "vocab_size": 50304, "hidden_size": 512, "intermediate_size": 2048,
    "num_hidden_layers": 6, "num_attention_heads": 8})"),
            70'426'624);  // Pythia 70M
  EXPECT_EQ(total(R"({"model_type": "qwen3_moe", "vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 6144,
    "moe_intermediate_size": 768, "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4,
    "head_dim": 128, "num_experts": 128, "num_experts_per_tok": 8})"),
            30'532'122'624);  // Qwen3 30B-A3B
}

TEST(ShapeConfig, TotalsAddedUpByHand) {
  const auto total = [](const std::string& json) { return count_parameters(parse_shape(json, "config.json")).total(); };
  // Attention, gated MLP and norms of a layer of EXAONE, which has no biases.
  const auto layer = [](int64_t d, int64_t heads, int64_t kv, int64_t head, int64_t ff) {
    return 2 * d * heads * head + 2 * d * kv * head + 3 * d * ff + 2 * d;
  };
  const std::string exaone = R"({"model_type": "exaone", "vocab_size": 102400, "num_key_value_heads": 8, )";
  EXPECT_EQ(total(exaone + R"("hidden_size": 2560, "intermediate_size": 7168, "num_layers": 30,
    "num_attention_heads": 32, "tie_word_embeddings": true})"),
            102400 * 2560 + 30 * layer(2560, 32, 8, 80, 7168) + 2560);  // EXAONE 3.5 2.4B
  EXPECT_EQ(total(exaone + R"("hidden_size": 5120, "intermediate_size": 27392, "num_layers": 64,
    "num_attention_heads": 40})"),
            2 * 102400 * 5120 + 64 * layer(5120, 40, 8, 128, 27392) + 5120);  // EXAONE 3.5 32B
  EXPECT_EQ(total(R"({"model_type": "exaone4", "vocab_size": 102400, "hidden_size": 2048, "intermediate_size": 4096,
    "num_hidden_layers": 30, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64,
    "tie_word_embeddings": true})"),
            102400 * 2048 + 30 * (layer(2048, 32, 8, 64, 4096) + 2 * 64) + 2048);  // EXAONE 4.0 1.2B
  // gpt-oss 20B, published as 20.91 B with 3.61 B active: biases everywhere, a sink for each head.
  const ParameterCounts oss = count_parameters(parse_shape(
      R"({"model_type": "gpt_oss", "vocab_size": 201088, "hidden_size": 2880, "intermediate_size": 2880,
    "num_hidden_layers": 24, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64,
    "num_local_experts": 32, "num_experts_per_tok": 4, "sliding_window": 128})",
      "config.json"));
  EXPECT_NEAR(static_cast<double>(oss.total()), 20.91e9, 0.005e9);
  EXPECT_NEAR(static_cast<double>(oss.active), 3.61e9, 0.6e9);  // with the embedding or without it
  // Qwen1.5 MoE A2.7B: a shared expert with its gate; biases of queries, keys and values.
  EXPECT_NEAR(static_cast<double>(total(R"({"model_type": "qwen2_moe", "vocab_size": 151936, "hidden_size": 2048,
    "intermediate_size": 5632, "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632,
    "num_hidden_layers": 24, "num_attention_heads": 16, "num_key_value_heads": 16, "num_experts": 60,
    "num_experts_per_tok": 4})")),
              14.3158e9, 1e6);
}

TEST(ShapeConfig, RefusesWithTheNearestChoice) {
  const auto message = [](const std::string& json) { return test::error_of([&] { parse_shape(json, "c.json"); }); };
  EXPECT_NE(message(R"({"model_type": "lama"})").find("llama"), std::string::npos);
  EXPECT_NE(message(R"({"model_type": "llama", "vocab_size": 10})").find("hidden_size"), std::string::npos);
  EXPECT_NE(message(R"({"model_type": "llama", "vocab_size": 10, "hidden_size": 10, "intermediate_size": 20,
    "num_hidden_layers": 2, "num_attention_heads": 3})")
                .find("multiple"),
            std::string::npos);
  EXPECT_NE(message(R"({"model_type": "llama", "vocab_size": 10, "hidden_size": 12, "intermediate_size": 20,
    "num_hidden_layers": 2, "num_attention_heads": 3, "num_key_value_heads": 2})")
                .find("multiple"),
            std::string::npos);
  EXPECT_NE(
      message(R"({"model_type": "llama", "vocab_size": 16000000, "hidden_size": 1000000, "intermediate_size": 16000000,
    "num_hidden_layers": 4096, "num_attention_heads": 50000, "head_dim": 1000000})")
          .find("parameters"),
      std::string::npos);
}

TEST(ShapeConfig, WindowsSeeLess) {
  ModelShape s = parse_shape(R"({"model_type": "gpt2", "vocab_size": 100, "n_embd": 64, "n_layer": 2, "n_head": 4,
    "n_positions": 1024})",
                             "c.json");
  const int64_t length = 256;
  const double all = forward_flops(s, std::span(&length, 1), false);
  s.attention.window = 64;
  s.attention.window_share = 0.5;
  // Two layers of 4 heads x 32 values x length^2; one of them sees 2 w L - w^2 in place of L^2.
  const double saved = 128.0 * (256.0 * 256 - (2.0 * 64 * 256 - 64.0 * 64));
  EXPECT_DOUBLE_EQ(all - forward_flops(s, std::span(&length, 1), false), saved);
}

}  // namespace
}  // namespace nuri
