// QK-clip scales the rows of the heads that went too far, by the factors one writes down by hand, and their logits come
// back to the bound.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "arch/arch_test_support.h"
#include "base/philox.h"
#include "base/x1.h"
#include "models/load.h"
#include "train/step.h"

namespace nuri {
namespace {

constexpr int64_t kRows = 2, kLength = 70;

DeepseekV3Config config(int64_t q_lora_rank) {
  DeepseekV3Config c = test::tiny_config();
  c.n_heads = 3;
  c.q_lora_rank = q_lora_rank;
  c.max_seq_len = 128;
  c.initializer_range = 0.6;  // logits of some size
  return c;
}

struct Case {
  DType dtype;
  MlaForm form;
  int64_t q_lora_rank;
};

class QkClip : public testing::TestWithParam<Case> {
 protected:
  QkClip()
      : model_(config(GetParam().q_lora_rank), {.dtype = GetParam().dtype, .trainable = true, .form = GetParam().form}),
        optimizer_(model_.parameters(), {.adamw = {.weight_decay = 0}}),
        tokens_(kRows * (kLength + 1)),
        documents_(tokens_.size(), 0) {
    model_.initialise(5);
    const Philox random(3, Purpose::test);
    for (size_t i = 0; i < tokens_.size(); ++i) tokens_[i] = static_cast<int32_t>(random.below(61, i));
  }
  /// A step that changes nothing but what QK-clip does: its rate is 0.
  StepResult step(double tau, int64_t micro_rows = kRows) {
    TrainStep step(model_, optimizer_,
                   {.length = kLength, .micro_rows = micro_rows, .bias_update_speed = 0, .qk_clip = tau});
    StepResult r = step.gradients(tokens_, documents_, kRows);
    step.apply(r, 0, 1);
    return r;
  }
  std::map<std::string, std::vector<float>> masters() {
    std::map<std::string, std::vector<float>> out;
    for (const Parameter* p : model_.parameters())
      out[p->name] = {p->master.data<float>(), p->master.data<float>() + p->master.size()};
    return out;
  }

  DeepseekV3 model_;
  Optimizer optimizer_;
  std::vector<int32_t> tokens_, documents_;
};

TEST_P(QkClip, ScalesTheRowsOfTheHeadsThatWentTooFar) {
  const auto before = masters();
  const StepResult seen = step(0);
  EXPECT_EQ(seen.clipped_heads, 0);
  EXPECT_EQ(masters(), before);
  // Between the largest and the smallest logit of the first layer's heads: some heads are clipped and some are not.
  ASSERT_EQ(seen.layers.size(), 3u);  // two layers and MTP
  const std::vector<float>& first = seen.layers[0].head_logits;
  ASSERT_EQ(first.size(), 3u);
  const auto [low, high] = std::minmax_element(first.begin(), first.end());
  const double tau = 0.5 * (double(*low) + double(*high));
  ASSERT_GT(double(*high), 1.05 * tau);
  int64_t expected = 0;
  for (const LayerStats& layer : seen.layers) {
    EXPECT_EQ(layer.largest_logit, *std::max_element(layer.head_logits.begin(), layer.head_logits.end()));
    expected += std::count_if(layer.head_logits.begin(), layer.head_logits.end(), [&](float m) { return m > tau; });
  }
  EXPECT_EQ(step(tau, 1).clipped_heads, expected);

  // By hand: factors of rows [6 nope | 4 rope] of a query head, [6 key | 5 value] of kv_b; all else stays.
  auto after = masters();
  for (const auto& [name, old] : before) {
    const bool is_q = name.ends_with(GetParam().q_lora_rank ? "q_b_proj.weight" : "q_proj.weight");
    const bool is_kv = name.ends_with("kv_b_proj.weight");
    const int64_t layer = name.find("layers.") == std::string::npos ? 0 : name[name.find("layers.") + 7] - '0';
    const int64_t head_rows = is_q ? 10 : 11, width = static_cast<int64_t>(old.size()) / (3 * head_rows);
    for (size_t i = 0; i < old.size(); ++i) {
      float factor = 1;
      if (is_q || is_kv) {
        const int64_t row = static_cast<int64_t>(i) / width, in_head = row % head_rows;
        const double m =
            double(seen.layers[static_cast<size_t>(layer)].head_logits[static_cast<size_t>(row / head_rows)]);
        if (m > tau && in_head < 6) factor = static_cast<float>(std::sqrt(tau / m));
        if (m > tau && in_head >= 6 && is_q) factor = static_cast<float>(tau / m);
      }
      ASSERT_EQ(after[name][i], factor == 1 ? old[i] : factor * old[i]) << name << " at " << i;
    }
  }
  // What the forward reads is the master rounded.
  if (GetParam().dtype == DType::f32) return;
  for (const Parameter* p : model_.parameters())
    for (int64_t i = 0; i < p->value.size(); ++i)
      ASSERT_EQ(p->value.data<Bf16>()[i].bits, x1::to_bf16(p->master.data<float>()[i])) << p->name;
}

TEST_P(QkClip, BringsTheLogitsOfTheSameBatchDownToTheBound) {
  const StepResult seen = step(0);
  const double tau = 0.25 * double(seen.layers[0].largest_logit);
  ASSERT_GT(tau, 0.5);
  // Of the first layer, whose input no other layer changes. FP32: some roundings of sums of ten terms. BF16: each
  // factor of a score is rounded again, so a score moves by up to 4 roundings of 2^-8 of its terms' sizes.
  const std::vector<float> before = seen.layers[0].head_logits;
  (void)step(tau);
  const std::vector<float> after = step(0).layers[0].head_logits;
  const double slack = GetParam().dtype == DType::f32 ? 1e-5 : 4 * 0x1p-8;
  for (size_t h = 0; h < before.size(); ++h) {
    EXPECT_LE(double(after[h]), tau * (1 + slack)) << "head " << h;
    if (double(before[h]) > tau) {
      EXPECT_GE(double(after[h]), tau * (1 - slack)) << "head " << h;
    } else {
      EXPECT_EQ(after[h], before[h]) << "head " << h;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, QkClip,
                         testing::Values(Case{DType::f32, MlaForm::expanded, 0},
                                         Case{DType::f32, MlaForm::absorbed, 10},
                                         Case{DType::f32, MlaForm::expanded, 10},
                                         Case{DType::bf16, MlaForm::expanded, 10},
                                         Case{DType::bf16, MlaForm::absorbed, 0}),
                         [](const auto& info) {
                           return std::string(dtype_name(info.param.dtype)) +
                                  (info.param.form == MlaForm::expanded ? "_expanded" : "_absorbed") +
                                  (info.param.q_lora_rank ? "_latent" : "");
                         });

}  // namespace
}  // namespace nuri
