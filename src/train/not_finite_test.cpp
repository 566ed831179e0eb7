// A NaN or Inf planted anywhere is found, and named by the op and layer that first let it out.
#include "train/not_finite.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "arch/arch_test_support.h"
#include "base/philox.h"
#include "base/test_support.h"
#include "models/load.h"
#include "ops/not_finite.h"
#include "train/session.h"
#include "train/state.h"
#include "train/step.h"

namespace nuri {
namespace {

constexpr int64_t kRows = 2, kLength = 21, kVocab = 61;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

DeepseekV3Config config() {
  DeepseekV3Config c = test::tiny_config();
  c.vocab_size = kVocab;
  c.q_lora_rank = 10;
  return c;
}

/// A model, its optimizer and one batch in which every id of the vocabulary and every expert occurs.
struct Fixture {
  DeepseekV3 model;
  Optimizer optimizer;
  TrainStep step;
  std::vector<int32_t> tokens, documents;

  explicit Fixture(DType dtype, MlaForm form = MlaForm::expanded, StepOptions options = {.length = kLength})
      : model(config(), {.dtype = dtype, .trainable = true, .form = form}),
        optimizer(model.parameters(), {}),
        step(model, optimizer, options),
        documents(kRows * (kLength + 1), 0) {
    model.initialise(3);
    for (int64_t i = 0; i < kRows * (kLength + 1); ++i) tokens.push_back(static_cast<int32_t>(i * 7 % kVocab));
  }
  StepResult gradients() { return step.gradients(tokens, documents, kRows); }
  std::string first() {
    return first_not_finite(model, [&] { (void)gradients(); });
  }
  /// Sets the first element of what the forward reads of a parameter.
  void plant(const std::string& name, float value) {
    for (const Parameter* p : model.parameters()) {
      if (p->name != name) continue;
      if (p->value.dtype() == DType::bf16)
        p->value.data<Bf16>()[0].bits = static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);
      else
        p->value.data<float>()[0] = value;
      model.visit([](Weight& w) { w.invalidate(); });
      return;
    }
    FAIL() << "no parameter " << name;
  }
};

struct Case {
  const char* parameter;
  const char* first;
};
constexpr Case kCases[] = {
    {"model.embed_tokens.weight", "embedding of model.embed_tokens"},
    {"model.layers.0.input_layernorm.weight", "rmsnorm of model.layers.0"},
    {"model.layers.0.self_attn.q_a_proj.weight", "linear of model.layers.0.self_attn"},
    {"model.layers.0.self_attn.q_a_layernorm.weight", "rmsnorm of model.layers.0.self_attn"},
    {"model.layers.1.self_attn.kv_b_proj.weight", "linear of model.layers.1.self_attn"},
    {"model.layers.0.mlp.down_proj.weight", "linear of model.layers.0.mlp"},
    {"model.layers.1.mlp.gate.weight", "linear of model.layers.1.mlp"},
    {"model.layers.1.mlp.experts.2.down_proj.weight", "grouped_linear of model.layers.1.mlp"},
    {"model.norm.weight", "rmsnorm of model.norm"},
    {"lm_head.weight", "cross_entropy of lm_head"},
    {"model.layers.2.enorm.weight", "rmsnorm of mtp"},
    {"model.layers.2.eh_proj.weight", "linear of mtp"},
    {"model.layers.2.mlp.shared_experts.gate_proj.weight", "linear of mtp.model.layers.2.mlp"},
    {"model.layers.2.shared_head.norm.weight", "rmsnorm of mtp"},
};

class FirstNotFinite : public testing::TestWithParam<DType> {};

TEST_P(FirstNotFinite, NamesTheOpAndTheLayerOfAPlantedWeight) {
  for (const Case& c : kCases)
    for (float value : {kNan, kInf, -kInf}) {
      Fixture f(GetParam());
      f.plant(c.parameter, value);
      StepResult r = f.gradients();
      f.step.apply(r, 0, 1);  // an infinite router weight gives a finite loss: sigmoid(inf) = 1
      EXPECT_FALSE(std::isfinite(r.total) && std::isfinite(r.grad_norm)) << c.parameter << " " << value;
      EXPECT_EQ(f.first(), c.first) << c.parameter << " " << value;
    }
}

TEST_P(FirstNotFinite, NamesTheAbsorbedFormsProduct) {
  Fixture f(GetParam(), MlaForm::absorbed);
  f.plant("model.layers.1.self_attn.kv_b_proj.weight", kNan);
  EXPECT_EQ(f.first(), "head_linear of model.layers.1.self_attn");
}

TEST_P(FirstNotFinite, FindsNothingInAHealthyStep) {
  Fixture f(GetParam());
  EXPECT_EQ(f.first(), "");
}

INSTANTIATE_TEST_SUITE_P(All, FirstNotFinite, testing::Values(DType::f32, DType::bf16),
                         [](const auto& info) { return std::string(dtype_name(info.param)); });

// The weight of the MTP loss brings its gradients near the end of FP32, or past it, while every loss stays finite.
TEST(NotFinite, AnOverflowInTheBackwardIsNamedAndUpdatesNothing) {
  struct {
    double mtp_weight;
    const char* first;
  } constexpr kOverflows[] = {{1e39, ""},  // of the squares in the norm alone
                              {1e42, "gradient of cross_entropy of mtp.lm_head"}};
  for (const auto& o : kOverflows) {
    Fixture f(DType::f32, MlaForm::expanded, {.length = kLength, .mtp_weight = o.mtp_weight});
    const std::string before = weights_hash(f.model);
    StepResult r = f.gradients();
    EXPECT_TRUE(std::isfinite(r.total));
    f.step.apply(r, 1e-3, 1);
    EXPECT_FALSE(std::isfinite(r.grad_norm));
    EXPECT_EQ(weights_hash(f.model), before);
    EXPECT_EQ(f.first(), o.first) << o.mtp_weight;
  }
}

TEST(NotFinite, ACheckpointNeitherTakesNorGivesThem) {
  const test::TempDir dir;
  const ResolvedRecipe recipe;
  Fixture f(DType::bf16);
  TrainState state;
  state.profile = "x1", state.step = 1;
  const std::filesystem::path good = save_checkpoint(dir.path(), f.model, f.optimizer, state, recipe, {});
  f.optimizer.states()[6].tensor.data<float>()[2] = kInf;
  state.step = 2;
  const std::string refused =
      test::error_of([&] { save_checkpoint(dir.path(), f.model, f.optimizer, state, recipe, {}); });
  EXPECT_NE(refused.find("step 2: " + f.optimizer.states()[6].name), std::string::npos) << refused;
  EXPECT_FALSE(std::filesystem::exists(dir.path() / "step-000002"));
  load_checkpoint(good, f.model, f.optimizer);
  EXPECT_EQ(f.optimizer.states()[6].tensor.data<float>()[2], 0);

  f.plant("lm_head.weight", kNan);
  std::filesystem::remove(good / "model.safetensors");
  save_model(f.model, good);
  for (const std::string& error : {test::error_of([&] { load_checkpoint(good, f.model, f.optimizer); }),
                                   test::error_of([&] { (void)load_model(good, {}); })})
    EXPECT_NE(error.find("lm_head.weight [61, 24]: element 0 is NaN or Inf"), std::string::npos) << error;
}

TEST(NotFinite, IsFoundInRowsWithGaps) {
  const Tensor whole = Tensor::zeros({70, 2000});
  const Tensor part = whole.columns(100, 1900);
  EXPECT_EQ(find_not_finite(part), -1);
  whole.data<float>()[2000 * 5 + 99] = kNan;  // outside the columns
  whole.data<float>()[2000 * 7 + 1900] = kInf;
  EXPECT_EQ(find_not_finite(part), -1);
  EXPECT_EQ(find_not_finite(whole), 2000 * 5 + 99);
  whole.data<float>()[2000 * 69 + 1899] = -kInf;
  EXPECT_EQ(find_not_finite(part), 1800 * 69 + 1799);
  EXPECT_EQ(find_not_finite(Tensor::empty({3}, DType::i32)), -1);
  EXPECT_EQ(find_not_finite(Tensor()), -1);
}

}  // namespace
}  // namespace nuri
