// The policy that is sampled is the policy that is trained, to the bit; and an update does what its loss says.
#include "rl/policy_step.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "arch/arch_test_support.h"
#include "base/philox.h"
#include "base/test_support.h"
#include "base/threads.h"
#include "rl/account.h"
#include "rl/reference.h"
#include "train/session.h"

namespace nuri::rl {
namespace {

constexpr int64_t kVocab = 89, kSamples = 4;

struct Case {
  DType dtype;
  MlaForm form;
};

class PolicyStepTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    policy_.answer_tokens = 90;
    policy_.temperature = 0.7;
    recipe_.length = 256;
    recipe_.micro_rows = 2;
    recipe_.batch_rows = 8;
    model_ = fresh();
  }
  void TearDown() override { set_thread_count(2); }

  static std::unique_ptr<DeepseekV3> fresh() {
    auto model = std::make_unique<DeepseekV3>(
        test::grouped_config(),
        DeepseekV3::Options{.dtype = GetParam().dtype, .trainable = true, .form = GetParam().form});
    model->initialise(3);
    return model;
  }

  /// Answers to prompts of lengths around a page, some of them shared; odd answers are rewarded.
  std::vector<Rollout> sample(DeepseekV3& model) const {
    Engine engine(model, {}, {.sequences = 5, .cache_tokens = 2048, .keep_experts = true});
    std::vector<Rollout> out;
    for (const int64_t n : {1, 5, 63, 70}) {
      const Philox random(11, Purpose::test, static_cast<uint64_t>(n));
      EngineRequest r;
      for (int64_t i = 0; i < n; ++i)
        r.prompt.push_back(static_cast<int32_t>(random.below(kVocab, static_cast<uint64_t>(i))));
      r.max_tokens = n == 5 ? 1 : policy_.answer_tokens;
      r.sampler = policy_.sampler(5);
      r.stop_ids = {7};
      r.sequences.clear();
      for (int64_t k = 0; k < kSamples; ++k) {
        r.sequences.push_back(static_cast<uint64_t>(n * kSamples + k));
        out.push_back({.ids = r.prompt, .n_prompt = n});
      }
      engine.submit(std::move(r));
    }
    while (!engine.idle())
      for (const TokenEvent& event : engine.step()) {
        if (!event.ended) continue;
        Rollout& rollout = out[static_cast<size_t>(event.request) * kSamples + event.reply];
        rollout.ids.insert(rollout.ids.end(), event.ended->ids.begin(), event.ended->ids.end());
        rollout.log_p = event.ended->log_probabilities;
        rollout.experts = event.ended->experts;
        rollout.answer.reward = static_cast<double>(event.ended->ids.back() % 2);
      }
    for (size_t g = 0; g < out.size(); g += kSamples) {
      std::vector<double> rewards;
      for (size_t k = 0; k < kSamples; ++k) rewards.push_back(out[g + k].answer.reward);
      const std::vector<double> advantages = kGrpo.advantages(rewards);
      for (size_t k = 0; k < kSamples; ++k) out[g + k].advantage = advantages[k];
    }
    return out;
  }
  static std::vector<Rollout*> pointers(std::vector<Rollout>& rollouts) {
    std::vector<Rollout*> out;
    for (Rollout& r : rollouts) out.push_back(&r);
    return out;
  }
  /// Weights after one update of the answers that the model gives now.
  std::string updated(int64_t micro_rows, int threads, Recompute recompute) {
    set_thread_count(threads);
    Recipe recipe = recipe_;
    recipe.micro_rows = micro_rows;
    const auto model = fresh();
    std::vector<Rollout> rollouts = sample(*model);
    Optimizer optimizer = make_optimizer(*model, {});
    StepOptions options = recipe.step_options();
    options.recompute = recompute;
    TrainStep step(*model, optimizer, options);
    PolicyStats stats;
    StepResult result = PolicyStep(*model, step, kGrpo, recipe, policy_).gradients(pointers(rollouts), true, stats);
    step.apply(result, 1e-2, 1);
    return weights_hash(*model);
  }

  PolicyRecipe policy_;
  Recipe recipe_;
  std::unique_ptr<DeepseekV3> model_;
};

TEST_P(PolicyStepTest, TheTrainerSaysWhatTheSamplerSaid) {
  for (const double temperature : {1.0, 0.7}) {
    policy_.temperature = temperature;
    std::vector<Rollout> rollouts = sample(*model_);
    Optimizer optimizer = make_optimizer(*model_, {});
    TrainStep train_step(*model_, optimizer, recipe_.step_options());
    PolicyStep step(*model_, train_step, kGrpo, recipe_, policy_);
    PolicyStats stats;
    (void)step.gradients(pointers(rollouts), true, stats);
    EXPECT_EQ(stats.compared.difference, 0);
    EXPECT_EQ(stats.compared.other_experts, 0);
    EXPECT_GT(stats.tokens, 100);
    EXPECT_EQ(stats.clipped, 0);

    // What is compared can differ: other words, other experts.
    std::vector<Rollout> tampered = rollouts;
    for (Rollout& r : tampered) r.log_p[0] += 1e-3f;
    tampered.back().experts.back() = 99;
    tampered.back().advantage = 1;  // so that it is not left out
    (void)step.gradients(pointers(tampered), true, stats);
    EXPECT_GT(stats.compared.difference, 0);
    EXPECT_EQ(stats.compared.other_experts, 1);
    (void)step.gradients(pointers(tampered), false, stats);
    EXPECT_EQ(stats.compared.difference, 0);
  }
}

// Where nothing is learned from a group, the promise still holds for it: an answer of each is compared.
TEST_P(PolicyStepTest, OfGroupsThatNoUpdateLooksAtOneAnswerIsCompared) {
  Optimizer optimizer = make_optimizer(*model_, {});
  TrainStep train_step(*model_, optimizer, recipe_.step_options());
  PolicyStep step(*model_, train_step, kDapo, recipe_, policy_);
  std::vector<Rollout> rollouts = sample(*model_);
  // Groups 0 and 2 without a difference; 0 is replaced, 2 is kept.
  const auto group = [&](size_t g, bool equal) {
    Group out;
    for (size_t k = 0; k < kSamples; ++k) {
      out.rollouts.push_back(rollouts[g * kSamples + k]);
      out.rollouts[k].answer.reward = equal ? 0 : static_cast<double>(k);
      out.rollouts[k].answer.scores = {out.rollouts[k].answer.reward};
    }
    return out;
  };
  const auto draw = [&](int64_t at) {
    Drawn drawn;
    drawn.step = at;
    drawn.add(group(0, true), kDapo, true);
    drawn.add(group(1, false), kDapo, true);
    drawn.add(group(2, true), kDapo, false);
    drawn.add(group(3, false), kDapo, true);
    return drawn;
  };
  std::set<std::vector<int32_t>> replaced, kept;
  for (int64_t at = 0; at < kSamples; ++at) {
    Drawn drawn = draw(at);
    ASSERT_EQ(drawn.groups.size(), 3u);
    const std::vector<Rollout*> apart = compared_apart(drawn, 3, step);
    ASSERT_EQ(apart.size(), 2u);
    replaced.insert(apart[0]->ids), kept.insert(apart[1]->ids);
    EXPECT_EQ(apart[1], &drawn.groups[1].rollouts[static_cast<size_t>(1 + at) % kSamples]);
    const Comparison c = step.compare(apart);
    EXPECT_EQ(c.tokens, apart[0]->n_answer() + apart[1]->n_answer());
    EXPECT_TRUE(c.exact()) << c.difference << ", " << c.other_experts;
  }
  EXPECT_GT(replaced.size(), 1u) << "each step another answer";
  EXPECT_GT(kept.size(), 1u) << "each step another answer";
  // Those of a second update are compared apart too: the first one moves the weights.
  Drawn drawn = draw(0);
  std::vector<Rollout*> apart = compared_apart(drawn, 1, step);
  EXPECT_EQ(apart.size(), 3u);

  // What it says can be wrong: a word, an expert, no number at all.
  float& log_p = apart[0]->log_p.back();
  const float right = log_p;
  log_p = std::nextafter(right, 0.0f);
  Comparison c = step.compare(apart);
  EXPECT_GT(c.difference, 0);
  EXPECT_FALSE(c.exact());
  log_p = NAN;
  c = step.compare(apart);
  EXPECT_TRUE(std::isnan(c.difference));
  EXPECT_FALSE(c.exact());
  Comparison sum;
  sum.add(c);
  sum.add(Comparison{.tokens = 5});
  EXPECT_TRUE(std::isnan(sum.difference));
  log_p = right;
  apart[2]->experts[0] += 1;
  c = step.compare(apart);
  EXPECT_EQ(c.difference, 0);
  EXPECT_EQ(c.other_experts, 1);
  EXPECT_FALSE(c.exact());
}

TEST_P(PolicyStepTest, NeitherForwardsNorThreadsNorRecomputationShow) {
  const std::string whole = updated(8, 2, Recompute::none);
  EXPECT_NE(whole, weights_hash(*model_));
  for (const int threads : {1, 3}) EXPECT_EQ(updated(threads, threads, Recompute::none), whole) << threads;
  EXPECT_EQ(updated(1, 2, Recompute::blocks), whole);
}

TEST_P(PolicyStepTest, GoodAnswersBecomeLikelier) {
  std::vector<Rollout> rollouts = sample(*model_);
  Optimizer optimizer = make_optimizer(*model_, {});
  TrainStep step(*model_, optimizer, recipe_.step_options());
  PolicyStep policy_step(*model_, step, kGrpo, recipe_, policy_);
  PolicyStats before, after;
  StepResult result = policy_step.gradients(pointers(rollouts), true, before);
  step.apply(result, 1e-3, 1);
  (void)policy_step.gradients(pointers(rollouts), true, after);
  EXPECT_GT(after.objective, before.objective);
  EXPECT_GT(after.compared.difference, 0);  // the weights are no longer those that sampled
}

TEST_P(PolicyStepTest, TheReferenceIsThePolicyUntilThatMoves) {
  policy_.kl = 0.1;
  std::vector<Rollout> rollouts = sample(*model_);
  Reference reference(*model_);
  reference.follow(*model_);
  add_reference(reference.model(), pointers(rollouts), recipe_, policy_);
  for (const Rollout& r : rollouts) EXPECT_EQ(r.reference, r.log_p);
  Optimizer optimizer = make_optimizer(*model_, {});
  TrainStep step(*model_, optimizer, recipe_.step_options());
  PolicyStep policy_step(*model_, step, kGrpo, recipe_, policy_);
  PolicyStats stats;
  StepResult result = policy_step.gradients(pointers(rollouts), true, stats);
  EXPECT_EQ(stats.kl, 0);
  step.apply(result, 1e-3, 1);
  (void)policy_step.gradients(pointers(rollouts), false, stats);
  EXPECT_GT(stats.kl, 0);
  reference.follow(*model_);
  add_reference(reference.model(), pointers(rollouts), recipe_, policy_);
  (void)policy_step.gradients(pointers(rollouts), false, stats);
  EXPECT_EQ(stats.kl, 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, PolicyStepTest,
                         testing::Values(Case{DType::f32, MlaForm::expanded}, Case{DType::f32, MlaForm::absorbed},
                                         Case{DType::bf16, MlaForm::expanded}, Case{DType::bf16, MlaForm::absorbed}),
                         [](const testing::TestParamInfo<Case>& info) {
                           return std::string(info.param.dtype == DType::f32 ? "f32" : "bf16") +
                                  (info.param.form == MlaForm::expanded ? "Expanded" : "Absorbed");
                         });

}  // namespace
}  // namespace nuri::rl
