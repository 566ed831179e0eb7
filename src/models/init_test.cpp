// A model begins as another one, whose vocabulary may be another.
#include "models/init.h"

#include <gtest/gtest.h>

#include <cstring>

#include "arch/arch_test_support.h"
#include "base/test_support.h"
#include "models/load.h"

namespace nuri {
namespace {

DeepseekV3Config config(int64_t vocab) {
  DeepseekV3Config c = test::tiny_config();
  c.vocab_size = vocab;
  return c;
}

Tensor tensor_of(DeepseekV3& model, const std::string& name) {
  for (const NamedTensor& t : model_tensors(model))
    if (t.name == name) return t.tensor;
  ADD_FAILURE() << name;
  return {};
}

bool equal(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

class InitWeights : public testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    base_ = std::make_unique<DeepseekV3>(config(50), DeepseekV3::Options{.dtype = GetParam(), .trainable = true});
    base_->initialise(5);
    base_->router_biases()[0].value.data<float>()[1] = 0.125f;
    save_model(*base_, dir_.path());
  }
  std::unique_ptr<DeepseekV3> fresh(const DeepseekV3Config& c) const {
    auto model = std::make_unique<DeepseekV3>(c, DeepseekV3::Options{.dtype = GetParam(), .trainable = true});
    model->initialise(6);
    return model;
  }
  test::TempDir dir_;
  std::unique_ptr<DeepseekV3> base_;
};

TEST_P(InitWeights, TheSameModelToTheBit) {
  const auto model = fresh(config(50));
  EXPECT_TRUE(init_weights(*model, dir_.path()).empty());
  for (const NamedTensor& t : model_tensors(*base_)) EXPECT_TRUE(equal(tensor_of(*model, t.name), t.tensor)) << t.name;
}

TEST_P(InitWeights, RowsOfTheVocabularyFollowTheTokens) {
  std::vector<int32_t> base_id(53, -1);
  for (int32_t id = 0; id < 40; ++id) base_id[static_cast<size_t>(id)] = 49 - id;
  const auto model = fresh(config(53)), drawn = fresh(config(53));
  const std::vector<std::string> notes = init_weights(*model, dir_.path(), base_id);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0],
            "13 of 53 rows of embedding and head are new, of the ids 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, ...");
  for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) {
    const Tensor now = tensor_of(*model, name), before = tensor_of(*base_, name), as_drawn = tensor_of(*drawn, name);
    for (int64_t id = 0; id < 53; ++id)
      EXPECT_TRUE(equal(now.rows(id, id + 1), id < 40 ? before.rows(49 - id, 50 - id) : as_drawn.rows(id, id + 1)))
          << name << id;
  }
  EXPECT_TRUE(equal(tensor_of(*model, "model.norm.weight"), tensor_of(*base_, "model.norm.weight")));
}

TEST_P(InitWeights, ALongerVocabularyKeepsItsIds) {
  const auto model = fresh(config(52));
  const std::vector<std::string> notes = init_weights(*model, dir_.path());
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0], "2 of 52 rows of embedding and head are new, of the ids 50, 51");
  const Tensor now = tensor_of(*model, "lm_head.weight"), before = tensor_of(*base_, "lm_head.weight");
  EXPECT_TRUE(equal(now.rows(0, 50), before));
}

TEST_P(InitWeights, WithoutMtpThatOfTheRunIsNew) {
  DeepseekV3Config c = config(50);
  c.n_mtp_layers = 0;
  DeepseekV3 plain(c, {.dtype = GetParam(), .trainable = true});
  plain.initialise(5);
  const test::TempDir dir;
  save_model(plain, dir.path());
  const auto model = fresh(config(50));
  const std::vector<std::string> notes = init_weights(*model, dir.path());
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("MTP is new"), std::string::npos);
  EXPECT_TRUE(equal(tensor_of(*model, "lm_head.weight"), tensor_of(plain, "lm_head.weight")));
}

TEST_P(InitWeights, OtherModelsAreRefusedOrNamed) {
  DeepseekV3Config wide = config(50), deep = config(50), turned = config(50);
  wide.d_model = 32;
  deep.n_layers = 3;
  turned.rope.theta = 500;
  EXPECT_THROW(init_weights(*fresh(wide), dir_.path()), Error);
  EXPECT_THROW(init_weights(*fresh(deep), dir_.path()), Error);
  const std::vector<std::string> notes = init_weights(*fresh(turned), dir_.path());
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("rope_theta"), std::string::npos) << notes[0];
  EXPECT_THROW(init_weights(*fresh(config(50)), dir_.path() / "absent"), Error);
}

INSTANTIATE_TEST_SUITE_P(Types, InitWeights, testing::Values(DType::f32, DType::bf16),
                         [](const auto& info) { return std::string(dtype_name(info.param)); });

}  // namespace
}  // namespace nuri
