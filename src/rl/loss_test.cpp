// Each loss against its definition in double, and its gradient against finite differences, through the fused cross
// entropy at a temperature.
#include "rl/loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/tape.h"
#include "base/error.h"
#include "base/test_support.h"
#include "ops/cross_entropy.h"
#include "ops/op_test_support.h"
#include "rl/statistics.h"

namespace nuri::rl {
namespace {

using namespace nuri::test;

/// Two prompts with three answers of different lengths, in a model of one matrix.
struct Toy {
  static constexpr int64_t kD = 5, kVocab = 11, kMost = 6;
  std::vector<int64_t> lengths{1, 4, 3, 6, 2, 5};
  std::vector<double> rewards{1, 0, 0.25, 0, 0, 1.5};
  double temperature = 0.8;
  std::vector<float> x, w;
  std::vector<int32_t> targets;
  std::vector<double> sampled, reference;  // log-probabilities

  Toy() {
    int64_t n = 0;
    for (const int64_t l : lengths) n += l;
    x = random_floats(n * kD, 1);
    w = random_floats(kVocab * kD, 2);
    targets = random_ids(n, kVocab, 3);
    const std::vector<double> now = log_p(widened(w));
    const std::vector<float> moved = random_floats(2 * n, 4, 0.6f);
    for (size_t t = 0; t < now.size(); ++t) {
      sampled.push_back(now[t] + static_cast<double>(moved[2 * t]));
      reference.push_back(now[t] + static_cast<double>(moved[2 * t + 1]));
    }
  }
  std::vector<double> log_p(const std::vector<double>& weights) const {
    std::vector<double> out;
    for (size_t t = 0; t < targets.size(); ++t) {
      std::vector<double> z;
      double sum = 0;
      for (size_t v = 0; v < kVocab; ++v) {
        double dot = 0;
        for (size_t i = 0; i < kD; ++i) dot += static_cast<double>(x[t * kD + i]) * weights[v * kD + i];
        z.push_back(dot / temperature);
        sum += std::exp(z.back());
      }
      out.push_back(z[static_cast<size_t>(targets[t])] - std::log(sum));
    }
    return out;
  }
  std::vector<double> advantages(const PolicyLoss& loss) const {
    std::vector<double> out;
    for (size_t g = 0; g < 2; ++g)
      for (const double a : loss.advantages(std::span(rewards).subspan(3 * g, 3))) out.push_back(a);
    return out;
  }
  UpdateShape shape() const { return {6, static_cast<int64_t>(targets.size()), kMost}; }
};

/// J as the papers write it.
double objective(const Toy& toy, const std::string& name, const ClipOptions& clip, const std::vector<double>& log_p) {
  double sum = 0;
  size_t t = 0;
  for (size_t i = 0; i < 6; ++i) {
    const double* r = toy.rewards.data() + i / 3 * 3;
    const double mean = (r[0] + r[1] + r[2]) / 3;
    double variance = 0;
    for (int k = 0; k < 3; ++k) variance += (r[k] - mean) * (r[k] - mean) / 3;
    const double a = name == "dr_grpo" ? r[i % 3] - mean : (r[i % 3] - mean) / (std::sqrt(variance) + 1e-6);
    const double length = static_cast<double>(toy.lengths[i]);
    const double share = name == "grpo"      ? 1 / (6 * length)
                         : name == "dr_grpo" ? 1 / (6.0 * Toy::kMost)
                                             : 1 / static_cast<double>(toy.targets.size());
    for (int64_t k = 0; k < toy.lengths[i]; ++k, ++t) {
      const double rho = std::exp(log_p[t] - toy.sampled[t]);
      const double kept = std::min(std::max(rho, 1 - clip.low), 1 + clip.high);
      const double q = toy.reference[t] - log_p[t];
      sum += share * (std::min(rho * a, kept * a) - clip.beta * (std::exp(q) - q - 1));
    }
  }
  return sum;
}

TEST(PolicyLoss, GradientThroughTheHeadMatchesFiniteDifferencesOfTheDefinition) {
  const Toy toy;
  const auto n = static_cast<int64_t>(toy.targets.size());
  const float inverse = 1.0f / static_cast<float>(toy.temperature);
  for (const PolicyLoss* loss : policy_losses())
    for (const ClipOptions clip : {ClipOptions{0.2, 0.2, 0}, {0.2, 0.28, 0.04}, {0.1, 10, 0.5}}) {
      const std::vector<double> advantages = toy.advantages(*loss);
      std::vector<size_t> answer;
      for (size_t i = 0; i < 6; ++i) answer.insert(answer.end(), static_cast<size_t>(toy.lengths[i]), i);
      double found = 0;
      bool some_clipped = false, some_free = false;
      const auto choose = [&](std::span<const int32_t> tokens, std::span<const float> log_p, std::span<float> weights) {
        for (size_t k = 0; k < tokens.size(); ++k) {
          const auto t = static_cast<size_t>(tokens[k]);
          const size_t i = answer[t];
          const double share = loss->share(toy.lengths[i], toy.shape());
          const PolicyTerm term =
              policy_term(static_cast<double>(log_p[k]), toy.sampled[t], toy.reference[t], advantages[i], clip);
          found += share * term.objective;
          weights[k] = static_cast<float>(share * term.gradient);
          (term.clipped ? some_clipped : some_free) = true;
        }
      };
      Weight head({{"lm_head.weight", {Toy::kVocab, Toy::kD}}}, DType::f32, true, 1);
      std::copy(toy.w.begin(), toy.w.end(), head.value.data<float>());
      Tape tape;
      {
        const TapeScope scope(tape);
        (void)cross_entropy(Tensor::from_floats({n, Toy::kD}, toy.x), head, 0, toy.targets,
                            std::vector<float>(toy.targets.size(), 1.0f), Precision::f32, {inverse, choose});
      }
      tape.backward();
      EXPECT_NEAR(found, objective(toy, std::string(loss->name), clip, toy.log_p(widened(toy.w))), 1e-5) << loss->name;
      EXPECT_TRUE(some_clipped && some_free);
      std::vector<double> down;  // the loss is -J
      for (const float g : head.grads[0].span<float>()) down.push_back(-static_cast<double>(g));
      expect_close(down,
                   finite_differences(widened(toy.w),
                                      [&](const std::vector<double>& w) {
                                        return objective(toy, std::string(loss->name), clip, toy.log_p(w));
                                      }),
                   1e-5);
    }
}

TEST(PolicyTerm, WhereThePolicyIsTheSampledOneItIsTheAdvantage) {
  const PolicyTerm term = policy_term(-1.25, -1.25, -1.25, 0.7, {0.2, 0.2, 0.1});
  EXPECT_EQ(term.gradient, 0.7);
  EXPECT_EQ(term.objective, 0.7);
  EXPECT_EQ(term.kl, 0);
  EXPECT_FALSE(term.clipped);
}

TEST(PolicyTerm, ClipsOnlyWhatWouldGoFurther) {
  const ClipOptions clip{0.2, 0.3, 0};
  const auto clipped = [&](double ratio, double advantage) {
    return policy_term(std::log(ratio), 0, 0, advantage, clip).clipped;
  };
  EXPECT_TRUE(clipped(1.31, 1));
  EXPECT_FALSE(clipped(1.29, 1));
  EXPECT_FALSE(clipped(0.5, 1));
  EXPECT_TRUE(clipped(0.79, -1));
  EXPECT_FALSE(clipped(0.81, -1));
  EXPECT_FALSE(clipped(3, -1));
}

TEST(PolicyLoss, AGroupWithoutDifferencePullsNothing) {
  for (const PolicyLoss* loss : policy_losses())
    for (const double reward : {0.0, 0.1, 1.1})  // 0.1 has no exact mean
      EXPECT_EQ(loss->advantages(std::vector<double>(7, reward)), std::vector<double>(7, 0.0)) << loss->name;
}

TEST(PolicyLoss, NamesAreChecked) {
  EXPECT_EQ(policy_loss_named("dr_grpo").name, "dr_grpo");
  try {
    (void)policy_loss_named("gpro");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("grpo"), std::string::npos);
  }
}

}  // namespace
}  // namespace nuri::rl
