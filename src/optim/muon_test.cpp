#include "optim/muon.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/muon.h"
#include "ops/op_test_support.h"
#include "optim/optimizer.h"

namespace nuri {
namespace {

using namespace test;

/// A stacked weight (two released matrices of other sizes), two experts of one shape, an embedding, a router and a
/// norm.
struct Model {
  std::vector<Weight> weights;
  explicit Model(DType dtype) {
    weights.emplace_back(std::vector<Weight::Part>{{"a.q_a_proj.weight", {6, 10}}, {"a.kv_a_proj.weight", {9, 10}}},
                         dtype, true);
    weights.emplace_back(std::vector<Weight::Part>{{"mlp.experts.0.down_proj.weight", {12, 5}}}, dtype, true);
    weights.emplace_back(std::vector<Weight::Part>{{"mlp.experts.1.down_proj.weight", {12, 5}}}, dtype, true);
    weights.emplace_back(std::vector<Weight::Part>{{"model.embed_tokens.weight", {20, 10}}}, dtype, true);
    weights.emplace_back(std::vector<Weight::Part>{{"mlp.gate.weight", {4, 10}}}, dtype, true);
    weights.emplace_back(std::vector<Weight::Part>{{"norm.weight", {10}}}, dtype, true);
    for (size_t i = 0; i < weights.size(); ++i) fill(weights[i].master, i);
  }
  static void fill(const Tensor& t, uint64_t stream) {
    const std::vector<float> values = random_floats(t.size(), 10 + stream, 0.1f);
    std::memcpy(t.raw(), values.data(), t.bytes());
  }
  std::vector<Parameter*> parameters() {
    std::vector<Parameter*> all;
    for (Weight& w : weights)
      for (Parameter& p : w.parameters) all.push_back(&p);
    std::sort(all.begin(), all.end(), [](const Parameter* a, const Parameter* b) { return a->name < b->name; });
    return all;
  }
};

const OptimizerOptions kMuon{{.max_grad_norm = 0.7}, OptimizerKind::muon, 0.9};

TEST(MuonOptimizer, TakesMatricesButEmbeddingHeadAndRouter) {
  auto takes = [](const char* name, bool matrix) {
    Parameter p;
    p.name = name, p.matrix = matrix;
    return muon_takes(p);
  };
  EXPECT_TRUE(takes("model.layers.3.self_attn.kv_b_proj.weight", true));
  EXPECT_TRUE(takes("model.layers.3.mlp.gate_proj.weight", true));
  EXPECT_TRUE(takes("model.layers.3.mlp.experts.7.gate_proj.weight", true));
  EXPECT_TRUE(takes("model.layers.4.eh_proj.weight", true));
  EXPECT_FALSE(takes("model.layers.3.mlp.gate.weight", true));
  EXPECT_FALSE(takes("model.embed_tokens.weight", true));
  EXPECT_FALSE(takes("lm_head.weight", true));
  EXPECT_FALSE(takes("model.norm.weight", false));
}

TEST(MuonOptimizer, EqualsItsDefinitionForEachReleasedMatrix) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    Model model(dtype), adamw_model(dtype);
    Optimizer optimizer(model.parameters(), kMuon);
    Optimizer adamw(adamw_model.parameters(), {kMuon.adamw});
    // Three steps by the definition, written out.
    std::vector<std::vector<float>> p, m;
    for (Parameter* x : model.parameters()) {
      p.emplace_back(x->master.data<float>(), x->master.data<float>() + x->master.size());
      m.emplace_back(p.back().size(), 0.0f);
    }
    for (int64_t step = 1; step <= 3; ++step) {
      for (Model* each : {&model, &adamw_model})
        for (size_t i = 0; i < each->weights.size(); ++i)
          Model::fill(each->weights[i].grads[0], 100 * static_cast<uint64_t>(step) + i);
      const double norm = optimizer.join_and_norm();
      EXPECT_EQ(norm, adamw.join_and_norm());
      optimizer.update(0.02, step, norm);
      adamw.update(0.02, step, norm);
      const std::vector<Parameter*> ours = model.parameters(), theirs = adamw_model.parameters();
      for (size_t i = 0; i < ours.size(); ++i) {
        Parameter& x = *ours[i];
        if (!muon_takes(x)) {  // those that AdamW updates, as if it updated all
          EXPECT_EQ(std::memcmp(x.master.raw(), theirs[i]->master.raw(), x.master.bytes()), 0) << x.name;
          continue;
        }
        const int64_t rows = x.value.dim(0), cols = x.value.dim(1);
        std::vector<float> u(p[i].size());
        for (size_t e = 0; e < u.size(); ++e)
          reference::muon_momentum_value<float>(0.9f, clip_factor(0.7, norm), x.grads[0].data<float>()[e], m[i][e],
                                                u[e]);
        reference::orthogonalise(rows, cols, u.data());
        const float rate = static_cast<float>(0.02 * (0.2 * std::sqrt(static_cast<double>(std::max(rows, cols)))));
        for (size_t e = 0; e < u.size(); ++e) {
          reference::muon_update_value<float>(0.02f * 0.1f, rate, u[e], p[i][e]);
          ASSERT_EQ(x.master.data<float>()[e], p[i][e]) << x.name << " at " << e << ", step " << step;
          if (dtype == DType::bf16) {
            ASSERT_EQ(x.value.data<Bf16>()[e].bits, x1::to_bf16(p[i][e]));
          }
        }
      }
    }
  }
}

TEST(MuonOptimizer, KeepsOneStateForItsMatricesAndTwoForTheRest) {
  Model model(DType::f32);
  Optimizer optimizer(model.parameters(), kMuon);
  std::vector<std::string> names;
  for (const Optimizer::State& s : optimizer.states()) names.push_back(s.name);
  EXPECT_EQ(names, (std::vector<std::string>{"mean.mlp.gate.weight", "square.mlp.gate.weight",
                                             "mean.model.embed_tokens.weight", "square.model.embed_tokens.weight",
                                             "mean.norm.weight", "square.norm.weight", "momentum.a.kv_a_proj.weight",
                                             "momentum.a.q_a_proj.weight", "momentum.mlp.experts.0.down_proj.weight",
                                             "momentum.mlp.experts.1.down_proj.weight"}));
}

TEST(MuonOptimizer, AnExpertThatNoTokenChoseOnlyDecays) {
  Model model(DType::f32);
  Optimizer optimizer(model.parameters(), kMuon);
  const float before = model.weights[1].master.data<float>()[3];
  optimizer.update(0.02, 1, optimizer.join_and_norm());  // gradients are zero
  EXPECT_EQ(model.weights[1].master.data<float>()[3], before - (0.02f * 0.1f) * before);
}

}  // namespace
}  // namespace nuri
