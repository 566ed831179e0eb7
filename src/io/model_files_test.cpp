#include "io/model_files.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/test_support.h"
#include "io/model_write.h"

namespace nuri {
namespace {

using test::error_of;

/// Small random tensors, one per spec of a tiny description.
std::vector<NamedTensor> tensors_of(const DeepseekV3Config& config) {
  std::vector<NamedTensor> out;
  uint32_t state = 1;
  for (const TensorSpec& spec : tensor_specs(config)) {
    Tensor tensor = Tensor::empty(Shape(spec.shape));
    for (float& x : tensor.span<float>()) x = static_cast<float>((state = state * 1664525 + 1013904223) >> 8) * 1e-7f;
    out.push_back({spec.name, tensor});
  }
  return out;
}

DeepseekV3Config tiny() {
  return parse_config(R"({"model_type":"deepseek_v3","vocab_size":11,"hidden_size":6,"intermediate_size":8,
    "moe_intermediate_size":3,"num_hidden_layers":2,"num_attention_heads":2,"q_lora_rank":null,"kv_lora_rank":3,
    "qk_nope_head_dim":2,"qk_rope_head_dim":2,"v_head_dim":2,"n_routed_experts":4,"num_experts_per_tok":2,"n_group":1,
    "topk_group":1,"first_k_dense_replace":1,"num_nextn_predict_layers":1})",
                      "tiny");
}

void expect_equal(const ModelFiles& files, const std::vector<NamedTensor>& tensors) {
  EXPECT_EQ(files.names().size(), tensors.size());
  for (const NamedTensor& named : tensors) {
    const auto data = files.data(named.name);
    ASSERT_EQ(data.size(), named.tensor.bytes());
    EXPECT_EQ(memcmp(data.data(), named.tensor.raw(), data.size()), 0) << named.name;
  }
}

TEST(ModelFiles, OneFileAndShardsHoldTheSame) {
  const test::TempDir dir;
  const std::vector<NamedTensor> tensors = tensors_of(tiny());
  write_model_weights(dir.path(), tensors);
  expect_equal(ModelFiles(dir.path()), tensors);
  expect_equal(ModelFiles(dir.path() / kWeightsName), tensors);
  EXPECT_NE(error_of([&] { write_model_weights(dir.path(), tensors); }).find("exists already"), std::string::npos);

  for (const uint64_t most : {1, 300, 1000}) {
    const fs::path sharded = dir.path() / std::to_string(most);
    fs::create_directory(sharded);
    write_model_weights(sharded, tensors, {}, most);
    EXPECT_FALSE(fs::exists(sharded / kWeightsName));
    const ModelFiles files(sharded);
    EXPECT_GT(files.n_files(), 1u);
    if (most == 1) {
      EXPECT_EQ(files.n_files(), tensors.size());
    }
    expect_equal(files, tensors);
    EXPECT_TRUE(match_model(files, tiny()).has_mtp);
  }
}

TEST(ModelFiles, ReadsShardsOfOtherPrograms) {
  NURI_SHARED_OR_SKIP(shared);
  const ModelFiles saved(shared / "golden" / "deepseek_v3_saved"), released(shared / "golden" / "deepseek_v3");
  const DeepseekV3Config config = read_config(saved.directory() / "config.json");
  EXPECT_EQ(saved.n_files(), 9u);
  EXPECT_EQ(saved.bytes(), 803024u);
  const ModelMatch match = match_model(saved, config);
  EXPECT_FALSE(match.has_mtp);  // the description says there is one
  EXPECT_TRUE(match.unused.empty() && match.copies.empty());
  EXPECT_TRUE(match_model(released, config).has_mtp);
  // The saved weights are the released ones rounded to BF16 by another program; the bias stayed FP32.
  for (const TensorSpec& spec : tensor_specs(config)) {
    if (spec.layer == config.n_layers) continue;
    const Tensor a = saved.load(spec.name, spec.shape, DType::bf16),
                 b = released.load(spec.name, spec.shape, DType::bf16);
    EXPECT_EQ(memcmp(a.raw(), b.raw(), a.bytes()), 0) << spec.name;
    EXPECT_EQ(saved.find(spec.name)->type->name, spec.role == TensorRole::router_bias ? "F32" : "BF16") << spec.name;
  }
  EXPECT_NE(error_of([&] {
              saved.load("lm_head.weight", std::vector<int64_t>{1, 2}, DType::f32);
            }).find("config.json demands [1, 2]"),
            std::string::npos);
}

TEST(ModelFiles, IndexIsCheckedBeforeItIsUsed) {
  const auto refusal = [](const std::string& json) { return error_of([&] { parse_index(json, "i.json"); }); };
  for (const char* shard : {"../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "..", "x.bin", ".safetensors",
                            "", ".hidden.safetensors", "a\\\\b.safetensors", "x\\u0000/y.safetensors"}) {
    EXPECT_NE(refusal(fmt::format(R"({{"weight_map":{{"t":"{}"}}}})", shard)).find("i.json: tensor \"t\": shard"),
              std::string::npos)
        << shard;
  }
  EXPECT_NE(refusal("{}").find("\"weight_map\" is missing"), std::string::npos);
  EXPECT_NE(refusal(R"({"weight_map":{}})").find("is empty"), std::string::npos);
  EXPECT_NE(refusal(R"({"weight_map":{"t":7}})").find("t: found 7"), std::string::npos);
  EXPECT_NE(refusal(R"({"weight_map":[]})").find("found an array"), std::string::npos);
  EXPECT_NE(refusal(R"({"weight_map":{"t":"a.safetensors","t":"b.safetensors"}})").find("stands twice"),
            std::string::npos);
}

TEST(ModelFiles, MissingPartsAreNamed) {
  const test::TempDir dir;
  EXPECT_NE(error_of([&] { ModelFiles(dir.path()); }).find("holds neither model.safetensors nor"), std::string::npos);
  EXPECT_NE(error_of([&] { ModelFiles(dir.path() / "no"); }).find("neither a directory nor a file"), std::string::npos);
  const std::vector<NamedTensor> tensors = tensors_of(tiny());
  write_model_weights(dir.path(), tensors, {}, 300);
  const size_t n_files = ModelFiles(dir.path()).n_files();
  const auto shard = [&](int i) { return dir.path() / fmt::format("model-{:05}-of-{:05}.safetensors", i, n_files); };
  fs::rename(shard(2), dir.path() / "aside");
  EXPECT_NE(error_of([&] { ModelFiles(dir.path()); }).find(shard(2).string() + ": the shard is missing"),
            std::string::npos);
  fs::copy_file(shard(1), shard(2));
  EXPECT_NE(error_of([&] { ModelFiles(dir.path()); }).find("copy the model again"), std::string::npos);
}

TEST(MatchModel, NamesWhatDoesNotFit) {
  const DeepseekV3Config config = tiny();
  const std::vector<NamedTensor> all = tensors_of(config);
  const auto result = [&](std::vector<NamedTensor> tensors, DeepseekV3Config described) {
    const test::TempDir dir;
    write_model_weights(dir.path(), tensors);
    return error_of([&] { match_model(ModelFiles(dir.path()), described); });
  };
  EXPECT_EQ(result(all, config), "no error");
  auto some = all;
  some.erase(some.begin() + 3);
  EXPECT_NE(result(some, config).find("1 tensors of the model that config.json describes are missing: " + all[3].name),
            std::string::npos);
  some = all;
  some.pop_back();
  EXPECT_NE(result(some, config).find("the MTP module is incomplete: 1 of its"), std::string::npos);
  DeepseekV3Config wide = config;
  wide.d_ff = 9;
  EXPECT_NE(result(all, wide).find("config.json demands [9, 6]"), std::string::npos);
}

TEST(MatchModel, CopiesUnderMtpMustBeEqual) {
  const test::TempDir dir;
  const DeepseekV3Config config = tiny();
  std::vector<NamedTensor> tensors = tensors_of(config);
  tensors.push_back({"model.layers.2.embed_tokens.weight", tensors[0].tensor});
  tensors.push_back({"something.else", tensors[0].tensor});
  write_model_weights(dir.path(), tensors);
  const ModelMatch match = match_model(ModelFiles(dir.path()), config);
  EXPECT_EQ(match.copies, std::vector<std::string>{"model.layers.2.embed_tokens.weight"});
  EXPECT_EQ(match.unused, std::vector<std::string>{"something.else"});
  const fs::path other = dir.path() / "other";
  fs::create_directory(other);
  tensors.push_back({"model.layers.2.shared_head.head.weight", tensors[0].tensor});  // the embedding is not the head
  write_model_weights(other, tensors);
  EXPECT_NE(error_of([&] { match_model(ModelFiles(other), config); }).find("differs from \"lm_head.weight\""),
            std::string::npos);
}

}  // namespace
}  // namespace nuri
