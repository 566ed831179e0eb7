#include "optim/layer_norms.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/philox.h"

namespace nuri {
namespace {

TEST(LayerNorms, GroupsByReleasedName) {
  EXPECT_EQ(layer_group("model.embed_tokens.weight", 3), 0u);
  EXPECT_EQ(layer_group("model.layers.0.mlp.up_proj.weight", 3), 1u);
  EXPECT_EQ(layer_group("model.layers.2.eh_proj.weight", 3), 3u);
  EXPECT_EQ(layer_group("model.norm.weight", 3), 4u);
  EXPECT_EQ(layer_group("lm_head.weight", 3), 4u);
}

struct Fixture {
  Weight head{{{"lm_head.weight", {300, 200}}}, DType::f32, true};
  Weight layer{{{"model.layers.0.a.weight", {50, 201}}, {"model.layers.0.b.weight", {3, 201}}}, DType::f32, true};
  Weight gain{{{"model.layers.0.norm.weight", {200}}}, DType::f32, true};
  std::vector<Parameter*> parameters{&head.parameters[0], &layer.parameters[0], &layer.parameters[1],
                                     &gain.parameters[0]};
  Fixture() {
    const Philox random(1, Purpose::test);
    for (const Weight* w : {&head, &layer, &gain})
      for (int64_t i = 0; i < w->master.size(); ++i)
        w->master.data<float>()[i] = random.normal(static_cast<uint64_t>(i)) + (w == &gain ? 100.0f : 0.0f);
  }
};

TEST(LayerNorms, GradientsOfALayerAddUp) {
  Fixture f;
  const LayerNorms norms(f.parameters, 1);
  EXPECT_EQ(norms.gradient_norms(std::vector<double>{25, 4, 4, 1}), (std::vector<double>{0, 3, 5}));
}

TEST(LayerNorms, AUniformScaleIsTheUpdate) {
  Fixture f;
  LayerNorms norms(f.parameters, 1);
  norms.before();
  for (int64_t i = 0; i < f.layer.master.size(); ++i) f.layer.master.data<float>()[i] *= 1.25f;
  for (int64_t i = 0; i < f.gain.master.size(); ++i) f.gain.master.data<float>()[i] *= 3;  // no matrix
  const std::vector<double> updates = norms.updates();
  ASSERT_EQ(updates.size(), 3u);
  EXPECT_EQ(updates[0], 0);  // no embedding here
  EXPECT_NEAR(updates[1], 0.25, 1e-6);
  EXPECT_EQ(updates[2], 0);
}

TEST(LayerNorms, TheSampleGivesTheRatioOfAll) {
  Fixture f;
  LayerNorms norms(f.parameters, 1);
  norms.before();
  double change = 0, weight = 0;
  const Philox random(2, Purpose::test);
  for (int64_t i = 0; i < f.head.master.size(); ++i) {
    float& p = f.head.master.data<float>()[i];
    const float d = 0.01f * random.normal(static_cast<uint64_t>(i));
    weight += double(p) * double(p), change += double(d) * double(d);
    p += d;
  }
  // 15 pieces of 64: a ratio of sums of squares of 960 normal values, off by sqrt(1 / 960) at one sigma; 4 are allowed.
  EXPECT_NEAR(norms.updates()[2] / std::sqrt(change / weight), 1, 4 * std::sqrt(1.0 / 960));
}

}  // namespace
}  // namespace nuri
