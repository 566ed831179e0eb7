#include "optim/ema.h"

#include <cmath>

#include "ops/bounds.h"
#include "ops/op_test_support.h"

namespace nuri {
namespace {

using namespace test;

TEST(WeightEma, DecayGrowsToItsBound) {
  EXPECT_EQ(ema_decay_at(0.999, 2), static_cast<float>(3.0 / 12));
  EXPECT_EQ(ema_decay_at(0.5, 2), 0.25f);
  EXPECT_EQ(ema_decay_at(0.5, 8), 0.5f);
  EXPECT_EQ(ema_decay_at(0.999, 1 << 20), 0.999f);
}

TEST(WeightEma, FollowsItsDefinitionInDouble) {
  constexpr int64_t kN = 3001;
  const Tensor w = Tensor::empty({kN});
  WeightEma ema({{"w", w}}, 0.9);
  std::vector<double> exact(kN, 0.0), sizes(kN, 0.0);
  for (int64_t step = 1; step <= 200; ++step) {
    const std::vector<float> now = random_floats(kN, static_cast<uint64_t>(step));
    std::copy(now.begin(), now.end(), w.data<float>());
    ema.update(step);
    const double d = step == 1 ? 0 : std::min(0.9, (1.0 + double(step)) / (10.0 + double(step)));
    for (size_t i = 0; i < exact.size(); ++i) {
      exact[i] = d * exact[i] + (1 - d) * double(now[i]);
      // Each step adds three roundings (of d, of the product, of the sum) of what it holds, and forgets by d.
      sizes[i] = d * sizes[i] + bounds::gamma(3) * (std::fabs(exact[i]) + 10 * std::fabs(double(now[i])));
    }
  }
  for (size_t i = 0; i < exact.size(); ++i)
    EXPECT_NEAR(ema.averages()[0].data<float>()[i], exact[i], sizes[i]) << "at " << i;
}

TEST(WeightEma, AnAverageOfEqualWeightsIsThoseWeights) {
  const Tensor w = Tensor::from_floats({3}, std::vector<float>{1, -0.375f, 0});
  WeightEma ema({{"w", w}}, 0.9999);
  for (int64_t step = 1; step <= 20000; ++step) ema.update(step);
  for (int64_t i = 0; i < 3; ++i)  // each step rounds to nearest: at most where a half is reached, a unit away
    EXPECT_NEAR(ema.averages()[0].data<float>()[i], w.data<float>()[i], 1e-6 * std::fabs(w.data<float>()[i]));
}

TEST(WeightEma, SwapsThereAndBack) {
  const Tensor w = Tensor::from_floats({2}, std::vector<float>{1, 2});
  WeightEma ema({{"w", w}}, 0.5);
  ema.update(1);
  w.data<float>()[0] = 5;
  ema.swap();
  EXPECT_EQ(w.data<float>()[0], 1);
  EXPECT_EQ(ema.averages()[0].data<float>()[0], 5);
  ema.swap();
  EXPECT_EQ(w.data<float>()[0], 5);
}

}  // namespace
}  // namespace nuri
