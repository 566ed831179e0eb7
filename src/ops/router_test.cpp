#include "ops/router.h"

#include <algorithm>
#include <numeric>

#include "autograd/tape.h"
#include "ops/op_test_support.h"

namespace nuri {
namespace {

using namespace test;

RouterOptions options(int64_t experts, int64_t active, int64_t groups = 1, int64_t kept = 1) {
  RouterOptions o;
  o.n_experts = experts, o.n_active = active, o.n_groups = groups, o.n_kept_groups = kept;
  o.route_scale = 2.5f;
  return o;
}

/// The choice by sorting everything: groups by the sum of their two best, experts by choice; ties by lower number.
std::vector<int32_t> sorted_choice(const RouterOptions& o, const std::vector<double>& choice) {
  const int64_t size = o.n_experts / o.n_groups;
  auto ranked = [](size_t n, auto value) {
    std::vector<int32_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return value(a) > value(b); });
    return order;
  };
  const std::vector<int32_t> groups = ranked(static_cast<size_t>(o.n_groups), [&](int32_t g) {
    std::vector<double> member(choice.begin() + g * size, choice.begin() + (g + 1) * size);
    std::sort(member.rbegin(), member.rend());
    return size > 1 ? member[0] + member[1] : member[0];
  });
  std::vector<char> kept(static_cast<size_t>(o.n_groups), 0);
  for (int64_t i = 0; i < o.n_kept_groups; ++i) kept[static_cast<size_t>(groups[static_cast<size_t>(i)])] = 1;
  std::vector<int32_t> chosen;
  for (const int32_t e : ranked(choice.size(), [&](int32_t i) { return choice[static_cast<size_t>(i)]; }))
    if (kept[static_cast<size_t>(e / size)] && static_cast<int64_t>(chosen.size()) < o.n_active) chosen.push_back(e);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

TEST(Router, EqualLogitsOfDeepSeekV3) {
  const RouterOptions o = options(256, 8, 8, 4);
  const std::vector<float> logits(256, 0.0f), bias(256, 0.0f);
  std::vector<float> scores(256), weights(8);
  std::vector<int32_t> experts(8);
  reference::router_row<float>(o, logits.data(), bias.data(), scores.data(), experts.data(), weights.data());
  for (int j = 0; j < 8; ++j) {
    EXPECT_EQ(experts[static_cast<size_t>(j)], j);
    EXPECT_EQ(weights[static_cast<size_t>(j)], 0.3125f);
  }
  EXPECT_EQ(scores[100], 0.5f);
}

TEST(Router, BiasChoosesAndTheScoreWeighs) {
  const RouterOptions o = options(4, 2);
  const float logits[] = {2, 1, 0, -1}, bias[] = {0, -1, 0, 1};
  float scores[4], weights[2];
  int32_t experts[2];
  reference::router_row<float>(o, logits, bias, scores, experts, weights);
  EXPECT_EQ(experts[0], 0);
  EXPECT_EQ(experts[1], 3);
  const double s0 = 1 / (1 + std::exp(-2.0)), s3 = 1 / (1 + std::exp(1.0));
  EXPECT_NEAR(weights[0], 2.5 * s0 / (s0 + s3), 1e-6);
  EXPECT_NEAR(weights[1], 2.5 * s3 / (s0 + s3), 1e-6);
}

TEST(Router, ChoosesWhatSortingEverythingChooses) {
  uint64_t stream = 10;
  for (const RouterOptions& o : {options(1, 1), options(5, 5), options(16, 4), options(16, 4, 4, 2),
                                 options(12, 3, 4, 3), options(6, 2, 6, 3), options(256, 8, 8, 4), options(33, 7)})
    for (int repeat = 0; repeat < 50; ++repeat) {
      std::vector<double> logits = widened(random_floats(o.n_experts, stream++)),
                          bias = widened(random_floats(o.n_experts, stream++, 0.3f));
      if (repeat % 2 == 1)  // many ties
        for (size_t e = 0; e < logits.size(); ++e) logits[e] = std::floor(logits[e]), bias[e] = 0;
      std::vector<double> scores(logits.size()), weights(static_cast<size_t>(o.n_active)), choice(logits.size());
      std::vector<int32_t> experts(static_cast<size_t>(o.n_active));
      reference::router_row<double>(o, logits.data(), bias.data(), scores.data(), experts.data(), weights.data());
      for (size_t e = 0; e < choice.size(); ++e) choice[e] = scores[e] + bias[e];
      EXPECT_EQ(experts, sorted_choice(o, choice)) << o.n_experts << " " << o.n_groups;
    }
}

/// Loss of one token: dot(weights, u) plus sum_e balance_e s_e / sum s, with the chosen experts held.
double loss_of(const RouterOptions& o, const std::vector<double>& logits, const std::vector<int32_t>& experts,
               const std::vector<double>& u, const std::vector<double>& balance) {
  double sum = 1e-20, loss = 0, all = 0, weighted = 0;
  auto score = [&](size_t e) { return 1 / (1 + std::exp(-logits[e])); };
  for (const int32_t e : experts) sum += score(static_cast<size_t>(e));
  for (size_t j = 0; j < experts.size(); ++j)
    loss += u[j] * double(o.route_scale) * score(static_cast<size_t>(experts[j])) / (o.normalise ? sum : 1);
  for (size_t e = 0; e < logits.size(); ++e) all += score(e), weighted += balance[e] * score(e);
  return loss + weighted / all;
}

TEST(Router, BackwardMatchesFiniteDifferences) {
  for (const bool normalise : {true, false}) {
    RouterOptions o = options(9, 3);
    o.normalise = normalise;
    const std::vector<double> logits = widened(random_floats(9, 1)), u = widened(random_floats(3, 2)),
                              balance = widened(random_floats(9, 3));
    std::vector<double> scores(9), weights(3), dlogits(9);
    std::vector<int32_t> experts(3);
    reference::router_row<double>(o, logits.data(), nullptr, scores.data(), experts.data(), weights.data());
    reference::router_grad_row<double>(o, scores.data(), experts.data(), u.data(), balance.data(), dlogits.data());
    expect_close(dlogits,
                 finite_differences(logits, [&](const auto& v) { return loss_of(o, v, experts, u, balance); }));
    reference::router_grad_row<double>(o, scores.data(), experts.data(), u.data(), nullptr, dlogits.data());
    expect_close(dlogits, finite_differences(logits, [&](const auto& v) {
                   return loss_of(o, v, experts, u, std::vector<double>(9, 0.0));
                 }));
  }
}

std::vector<float> with_ids(std::vector<float> values, const std::vector<int32_t>& ids) {
  for (const int32_t id : ids) values.push_back(static_cast<float>(id));
  return values;
}

TEST(Router, KernelsEqualReference) {
  for (const RouterOptions& o : {options(1, 1), options(3, 2), options(16, 4), options(64, 6, 8, 3), options(65, 8),
                                 options(12, 3, 4, 3), options(6, 2, 6, 3), options(256, 8, 8, 4)})
    for (const int64_t n_tokens : {0, 1, 131})
      for (const bool ties : {false, true}) {
        const int64_t E = o.n_experts, K = o.n_active;
        std::vector<float> logits = random_floats(n_tokens * E, 1, 2), bias = random_floats(E, 2, 0.1f);
        if (ties)
          for (float& z : logits) z = std::floor(z);
        const float* used_bias = ties ? nullptr : bias.data();
        std::vector<float> scores(logits.size()), weights(static_cast<size_t>(n_tokens * K));
        std::vector<int32_t> experts(weights.size());
        expect_same_bits("router", [&](bool reference) {
          (reference ? reference::router
                     : kernels().router)({n_tokens, E, K, o.n_groups, o.n_kept_groups, !ties, 2.5f, logits.data(),
                                          used_bias, scores.data(), experts.data(), weights.data()});
          std::vector<float> out = with_ids(scores, experts);
          out.insert(out.end(), weights.begin(), weights.end());
          return out;
        });
        const std::vector<float> u = random_floats(n_tokens * K, 3), balance = random_floats(2 * E, 4);
        const std::vector<int32_t> row_of = random_ids(n_tokens, 2, 5);
        for (const bool balanced : {false, true})
          expect_same_bits("router_grad", [&](bool reference) {
            std::vector<float> dlogits(logits.size());
            (reference ? reference::router_grad
                       : kernels().router_grad)({n_tokens, E, K, !ties, 2.5f, scores.data(), experts.data(), u.data(),
                                                 balanced ? balance.data() : nullptr, row_of.data(), dlogits.data()});
            return dlogits;
          });
      }
}

TEST(Router, NanOfOneTokenStaysThere) {
  const RouterOptions o = options(16, 4, 4, 2);
  std::vector<float> logits = random_floats(3 * 16, 1);
  const auto routed = [&] { return route(Tensor::from_floats({3, 16}, logits), Tensor(), o, {}, nullptr, nullptr, 1); };
  const Routing clean = routed();
  for (int e = 0; e < 16; ++e) logits[static_cast<size_t>(16 + e)] = e % 3 ? std::nanf("") : -INFINITY;
  const Routing poisoned = routed();
  for (int j = 0; j < 12; ++j) {
    const int32_t e = poisoned.experts.data<int32_t>()[j];
    EXPECT_TRUE(e >= 0 && e < 16);
    if (j % 4 != 0) {
      EXPECT_LT(poisoned.experts.data<int32_t>()[j - 1], e);
    }
    if (j / 4 == 1) continue;
    EXPECT_EQ(e, clean.experts.data<int32_t>()[j]);
    EXPECT_EQ(poisoned.weights.data<float>()[j], clean.weights.data<float>()[j]);
  }
}

TEST(Router, BalanceLossAndItsGradientByHand) {
  RouterOptions o = options(6, 2);
  o.balance_alpha = 0.5;
  const std::vector<int64_t> rows = {0, 3, 8};
  const std::vector<float> values = random_floats(8 * 6, 1);
  const Tensor logits = Tensor::from_floats({8, 6}, values);
  std::vector<int64_t> counts;
  double loss = 0;
  Tensor dlogits;
  Tape tape;
  const TapeScope scope(tape);
  tape.record("probe", [&](Tape& t) { dlogits = t.take_grad(logits); });
  const Routing routing = route(logits, Tensor(), o, rows, &counts, &loss, 2);
  tape.backward();  // no gradient of the weights: the balance term flows all the same

  const int32_t* experts = routing.experts.data<int32_t>();
  auto balance = [&](const std::vector<double>& z) {
    double total = 0;
    for (size_t r = 0; r + 1 < rows.size(); ++r) {
      const double T = static_cast<double>(rows[r + 1] - rows[r]);
      double count[6] = {};
      for (int64_t i = rows[r] * 2; i < rows[r + 1] * 2; ++i) count[experts[i]] += 1;
      for (int64_t t = rows[r]; t < rows[r + 1]; ++t) {
        double s[6], sum = 0;
        for (int e = 0; e < 6; ++e) sum += s[e] = 1 / (1 + std::exp(-z[static_cast<size_t>(t * 6 + e)]));
        for (int e = 0; e < 6; ++e) total += count[e] * 6 / (2 * T) * s[e] / sum / T / 2;
      }
    }
    return total;
  };
  EXPECT_NEAR(loss, balance(widened(values)), 1e-6);
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), int64_t{0}), 16);
  const std::vector<double> expected = finite_differences(widened(values), balance);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(dlogits.data<float>()[i], 0.5 * expected[i], 1e-7);
}

TEST(Router, BalanceLossDoesNotShowMicroBatches) {
  const RouterOptions o = options(8, 2);
  const Tensor logits = Tensor::from_floats({10, 8}, random_floats(80, 1));
  double whole = 0, parts = 0;
  route(logits, Tensor(), o, {0, 4, 7, 10}, nullptr, &whole, 3);
  route(logits.rows(0, 4), Tensor(), o, {0, 4}, nullptr, &parts, 3);
  route(logits.rows(4, 10), Tensor(), o, {0, 3, 6}, nullptr, &parts, 3);
  EXPECT_EQ(whole, parts);
}

TEST(Router, MetaRunTakesTheSameMemory) {
  const MetaScope meta;
  RouterOptions o = options(8, 2);
  o.balance_alpha = 1;
  std::vector<int64_t> counts;
  double loss = 0;
  Tape tape;
  const TapeScope scope(tape);
  const Tensor logits = Tensor::empty({4, 8});
  const Routing routing = route(logits, Tensor(), o, {0, 4}, &counts, &loss, 1);
  tape.backward();
  EXPECT_EQ(routing.weights.dim(1), 2);
  EXPECT_EQ(loss, 0);
}

}  // namespace
}  // namespace nuri
