#include "ops/adamw.h"

#include "base/test_support.h"
#include "ops/bounds.h"
#include "ops/op_test_support.h"

namespace nuri {
namespace {

using namespace test;

AdamWArgs options(int64_t step = 3) {
  AdamWArgs a;
  a.lr = 1e-3f, a.beta1 = 0.9f, a.beta2 = 0.95f, a.eps = 1e-8f, a.decay = 0.1f, a.clip = 0.5f;
  a.bias1 = adamw_bias(0.9, step), a.bias2 = adamw_bias(0.95, step);
  return a;
}

TEST(AdamW, FirstStepByHand) {
  // From m = v = 0 the first step moves by lr g / (|g| + eps), whatever the size of the gradient.
  AdamWArgs a = options(1);
  a.decay = 0;
  double p = 1, m = 0, v = 0;
  reference::adamw_value<double>(a, -4.0, p, m, v);
  EXPECT_NEAR(p, 1 + 1e-3, 1e-8);
  EXPECT_NEAR(m, -0.2, 1e-7);
  EXPECT_NEAR(v, 0.2, 1e-6);
  a.decay = 0.1f, a.clip = 0;  // only the decay
  p = 1, m = 0, v = 0;
  reference::adamw_value<double>(a, -4.0, p, m, v);
  EXPECT_NEAR(p, 1 - 1e-4, 1e-10);
}

TEST(AdamW, BiasIsRoundedOnce) {
  EXPECT_EQ(adamw_bias(0.9, 1), static_cast<float>(1 - 0.9));
  EXPECT_EQ(adamw_bias(0.0, 1), 1.0f);
  EXPECT_NEAR(adamw_bias(0.999, 1000), 1 - std::pow(0.999, 1000.0), 1e-7);
  EXPECT_EQ(adamw_bias(0.9, 100000), 1.0f);
}

TEST(AdamW, FloatIsCloseToDouble) {
  const std::vector<float> p0 = random_floats(1000, 1), g = random_floats(1000, 2), m0 = random_floats(1000, 3, 0.1f),
                           v0 = random_floats(1000, 4, 0.1f);
  const AdamWArgs a = options();
  for (size_t i = 0; i < p0.size(); ++i) {
    float p = p0[i], m = m0[i], v = v0[i] * v0[i];
    double p64 = p, m64 = m, v64 = v;
    reference::adamw_value<float>(a, g[i], p, m, v);
    reference::adamw_value<double>(a, g[i], p64, m64, v64);
    const double m_size = std::fabs(double(m0[i])) + std::fabs(double(g[i]));
    EXPECT_NEAR(m, m64, bounds::gamma(5) * m_size);
    EXPECT_NEAR(v, v64, bounds::gamma(7) * v64);
    // The update, at most lr m_size / bias1 / sqrt(v / bias2), with a dozen roundings; the parameter with four.
    const double update = double(a.lr) * m_size / double(a.bias1) / std::sqrt(v64 / double(a.bias2));
    EXPECT_NEAR(p, p64, bounds::gamma(4) * std::fabs(double(p0[i])) + bounds::gamma(14) * update);
  }
}

TEST(AdamW, KernelsEqualReference) {
  for (const int64_t n : {0, 1, 7, 63, 64, 65, 1023, 1025, 20001})
    for (const bool copy : {false, true})
      expect_same_bits("adamw", [&](bool reference) {
        std::vector<float> state = random_floats(3 * n, 1);
        for (int64_t i = 2 * n; i < 3 * n; ++i) state[static_cast<size_t>(i)] *= state[static_cast<size_t>(i)];
        const std::vector<float> grad = random_floats(n, 2);
        std::vector<Bf16> narrow(static_cast<size_t>(n), Bf16{0});
        AdamWArgs a = options();
        a.n = n, a.p = state.data(), a.m = state.data() + n, a.v = state.data() + 2 * n, a.grad = grad.data();
        a.copy = copy ? narrow.data() : nullptr;
        if (reference)
          reference::adamw(a);
        else
          kernels().adamw({&a, 1});
        for (const Bf16 b : narrow) state.push_back(x1::from_bf16(b.bits));
        return state;
      });
}

TEST(AdamW, TensorsOfOneCallAreIndependent) {
  const std::vector<int64_t> sizes = {8193, 0, 1, 20001, 63};
  expect_same_bits("adamw of many", [&](bool one_by_one) {
    std::vector<std::vector<float>> states, grads;
    std::vector<AdamWArgs> items;
    for (const int64_t n : sizes) {
      states.push_back(random_floats(3 * n, static_cast<uint64_t>(n)));
      for (float& x : states.back()) x = x * x;
      grads.push_back(random_floats(n, 9));
    }
    for (size_t i = 0; i < sizes.size(); ++i) {
      AdamWArgs a = options();
      a.n = sizes[i], a.p = states[i].data(), a.m = a.p + a.n, a.v = a.m + a.n, a.grad = grads[i].data();
      a.decay = i % 2 ? 0.0f : 0.1f;
      items.push_back(a);
    }
    if (one_by_one)
      for (const AdamWArgs& a : items) reference::adamw(a);
    else
      adamw(items);
    std::vector<float> all;
    for (const std::vector<float>& s : states) all.insert(all.end(), s.begin(), s.end());
    return all;
  });
}

TEST(AdamW, TooSmallEpsIsRefused) {
  AdamWArgs a = options();
  a.eps = 1e-13f;
  EXPECT_NE(error_of([&] { adamw({&a, 1}); }).find("1e-12"), std::string::npos);
  a.eps = 1e-12f;
  EXPECT_EQ(error_of([&] { adamw({&a, 1}); }), "no error");
}

}  // namespace
}  // namespace nuri
