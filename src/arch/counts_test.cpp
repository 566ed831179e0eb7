#include "arch/counts.h"

#include <gtest/gtest.h>

#include "base/test_support.h"

namespace nuri {
namespace {

DeepseekV3Config preset(const std::string& name) {
  return read_config(std::filesystem::path(NURI_SOURCE_DIR) / "recipes" / name / "config.json");
}

TEST(Counts, PublishedNumbersOfV3) {
  const ParameterCounts n = count_parameters(preset("v3"));
  EXPECT_EQ(n.main, 671'026'419'200);
  EXPECT_EQ(n.mtp, 11'610'068'224);
  EXPECT_EQ(n.attention, 187'107'328);
  EXPECT_EQ(n.dense_mlp, 396'361'728);
  EXPECT_EQ(n.expert, 44'040'192);
  EXPECT_EQ(n.embedding, 926'679'040);
  EXPECT_NEAR(static_cast<double>(n.active) * 1e-9, 37.55, 0.005);
  EXPECT_EQ(n.router_bias, 59 * 256);
}

TEST(Counts, PublishedCacheOfV3) {
  const DeepseekV3Config c = preset("v3");
  EXPECT_EQ(kv_bytes_per_token(c, MlaForm::absorbed, 2), 70'272);
  EXPECT_EQ(c.expanded_cache_dim(), 40'960);
  EXPECT_NEAR(static_cast<double>(kv_bytes_per_token(c, MlaForm::expanded, 2)) * 1e-6, 4.997, 0.0005);
}

TEST(Counts, EqualTheSumOverTheTensors) {
  for (const char* name : {"nano", "micro", "small", "v3"}) {
    DeepseekV3Config c = preset(name);
    for (int freq = 1; freq <= 2; ++freq) {
      c.moe_layer_freq = freq;
      int64_t total = 0, mtp = 0, idle = 0, active_matrices = 0, bias = 0;
      for (const TensorSpec& spec : tensor_specs(c)) {
        total += spec.elements();
        if (spec.layer >= c.n_layers) mtp += spec.elements();
        if (spec.role == TensorRole::router_bias) bias += spec.elements();
        // Experts are alike, so those after the first n_active_experts stand for the ones not taken.
        const bool taken = spec.expert < c.n_active_experts;
        if (!taken) idle += spec.elements();
        const bool product =
            spec.role == TensorRole::matrix || spec.role == TensorRole::router || spec.role == TensorRole::head;
        if (taken && product) active_matrices += spec.elements();
      }
      const ParameterCounts n = count_parameters(c);
      EXPECT_EQ(n.total(), total) << name;
      EXPECT_EQ(n.mtp, mtp) << name;
      EXPECT_EQ(n.active + n.active_mtp, total - idle) << name;
      EXPECT_EQ(n.router_bias, bias) << name;
      EXPECT_EQ(active_matrix_parameters(c, true), active_matrices + c.vocab_size * c.d_model)
          << name;  // MTP's use of the head
      EXPECT_EQ(weight_bytes(c, 2, true), 2 * total + 2 * bias) << name;
      EXPECT_EQ(weight_bytes(c, 4, false), 4 * (total - mtp)) << name;
    }
  }
}

TEST(Counts, PresetsAreOfTheStatedSize) {
  EXPECT_NEAR(static_cast<double>(count_parameters(preset("nano")).main) * 1e-6, 4.1, 0.1);
  EXPECT_NEAR(static_cast<double>(count_parameters(preset("micro")).main) * 1e-6, 29, 1);
  EXPECT_NEAR(static_cast<double>(count_parameters(preset("small")).main) * 1e-9, 0.9, 0.06);
}

TEST(Counts, FlopsFollowTheFormula) {
  const DeepseekV3Config c = preset("nano");
  // By hand: attention 192 x (4 x 48 + 64 + 16) + 4 x 64 x 64 + 4 x 32 x 192 = 93,184 a layer; dense MLP 294,912; an
  // expert layer 16 x 192 + 5 x 36,864 = 187,392; head 786,432; MTP 2 x 192 x 192 + 93,184 + 187,392 + 786,432.
  const double main = 4 * 93184 + 294912 + 3 * 187392 + 786432, mtp = 73728 + 93184 + 187392 + 786432;
  EXPECT_EQ(static_cast<double>(active_matrix_parameters(c, false)), main);
  const int64_t rows[] = {256, 256}, documents[] = {100, 156, 256};
  const double square = 2 * 256.0 * 256.0;
  EXPECT_EQ(forward_flops(c, rows, false), 2 * main * 512 + 4 * 4 * (48 + 32) * square);
  EXPECT_EQ(training_flops(c, rows), 6 * (main + mtp) * 512 + 3 * 5 * 4 * (48 + 32) * square);
  // Of the matrices of main model and MTP each has one head; without heads for half of the tokens:
  EXPECT_EQ(head_training_flops(c, 256, true), 2 * head_training_flops(c, 256, false));
  EXPECT_EQ(head_training_flops(c, 256, false), 6.0 * static_cast<double>(c.vocab_size * c.d_model) * 256);
  EXPECT_EQ(training_flops(c, rows) - training_flops(c, documents), 3 * 5 * 4 * 80 * (2.0 * 100 * 156));
}

}  // namespace
}  // namespace nuri
