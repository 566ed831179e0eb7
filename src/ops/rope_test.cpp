#include "ops/rope.h"

#include "autograd/tape.h"
#include "ops/bounds.h"
#include "ops/op_test_support.h"

namespace nuri {
namespace {

using namespace test;

const YarnOptions kV3{40, 4096, 32, 1, 1, 1};

TEST(Rope, YarnFrequenciesOfDeepSeekV3) {
  const std::vector<double> plain = rope_frequencies(64, 10000), yarn = rope_frequencies(64, 10000, kV3);
  struct Golden {
    size_t pair;
    double plain, yarn;
  };
  for (const Golden& g :
       {Golden{0, 1, 1}, Golden{5, 0.237137371, 0.237137371}, Golden{10, 0.0562341325, 0.0562341325},
        Golden{11, 0.0421696503, 0.0390069266}, Golden{15, 0.0133352143, 0.00833450895}, Golden{16, 0.01, 0.0055},
        Golden{20, 0.00316227766, 0.000790569415}, Golden{22, 0.00177827941, 0.000177827941},
        Golden{23, 0.00133352143, 3.33380358e-05}, Golden{31, 0.000133352143, 3.33380358e-06}}) {
    EXPECT_NEAR(plain[g.pair], g.plain, 1e-8 * g.plain) << g.pair;
    EXPECT_NEAR(yarn[g.pair], g.yarn, 1e-8 * g.yarn) << g.pair;
  }
  const std::vector<double> other = rope_frequencies(64, 160000, {16, 65536, 32, 1, 1, 1});
  EXPECT_NEAR(other[15], 0.00363553858, 1e-11);
  EXPECT_NEAR(other[16], 0.002265625, 1e-11);
  EXPECT_NEAR(other[20], 0.000296977778, 1e-12);
  EXPECT_NEAR(other[24], 1.953125e-05, 1e-13);
  EXPECT_NEAR(other[31], 5.68052904e-07, 1e-15);
}

TEST(Rope, YarnScales) {
  EXPECT_NEAR(yarn_softmax_scale(kV3) / std::sqrt(192.0), 0.13523378, 1e-8);
  EXPECT_NEAR(yarn_softmax_scale({40, 4096, 32, 1, 0.707, 0.707}) / std::sqrt(192.0), 0.11472139, 1e-8);
  EXPECT_EQ(yarn_softmax_scale({}), 1);
  EXPECT_EQ(yarn_softmax_scale({40, 4096, 32, 1, 1, 0}), 1);
  EXPECT_EQ(yarn_amplitude(kV3), 1);
  EXPECT_EQ(yarn_amplitude({}), 1);
  EXPECT_NEAR(yarn_amplitude({40, 4096, 32, 1, 0, 0}), 1.3688879, 1e-7);
  EXPECT_EQ(yarn_amplitude({40, 4096, 32, 1, 1, 1, 1.25}), 1.25);
  EXPECT_EQ(yarn_amplitude({1, 4096, 32, 1, 0, 0, 1.25}), 1.25);
}

TEST(Rope, AnglesStayExactFarOut) {
  RopeTable table(16, 64, 10000, kV3);
  EXPECT_GE(table.positions(), 16);
  table.ensure(163839);
  const std::vector<double> w = rope_frequencies(64, 10000, kV3);
  for (const int64_t p : {0, 1, 4095, 100003, 163839})
    for (const int64_t j : {0, 1, 13, 31}) {
      const long double angle = static_cast<long double>(p) * static_cast<long double>(w[static_cast<size_t>(j)]);
      EXPECT_NEAR(table.cos.data<float>()[p * 32 + j], static_cast<double>(cosl(angle)), bounds::kFp32)
          << p << " " << j;
      EXPECT_NEAR(table.sin.data<float>()[p * 32 + j], static_cast<double>(sinl(angle)), bounds::kFp32)
          << p << " " << j;
    }
}

TEST(Rope, PairingsAreOneRotationInTwoOrders) {
  const int64_t dim = 22, half = dim / 2;
  const std::vector<float> x = random_floats(dim, 1), cos = random_floats(half, 2), sin = random_floats(half, 3);
  std::vector<float> split(x.size()), y(x.size()), y_split(x.size());
  for (size_t j = 0; j < static_cast<size_t>(half); ++j)
    split[j] = x[2 * j], split[j + static_cast<size_t>(half)] = x[2 * j + 1];
  reference::rope_head<float>(dim, x.data(), cos.data(), sin.data(), true, false, y.data());
  reference::rope_head<float>(dim, split.data(), cos.data(), sin.data(), false, false, y_split.data());
  for (size_t j = 0; j < static_cast<size_t>(half); ++j) {
    EXPECT_EQ(y[2 * j], y_split[j]);
    EXPECT_EQ(y[2 * j + 1], y_split[j + static_cast<size_t>(half)]);
    EXPECT_NEAR(y[2 * j], double(x[2 * j]) * cos[j] - double(x[2 * j + 1]) * sin[j], 1e-6);
  }
}

TEST(Rope, BackwardIsTheTranspose) {
  const int64_t dim = 10;
  const std::vector<double> x = widened(random_floats(dim, 1)), cos = widened(random_floats(dim / 2, 2)),
                            sin = widened(random_floats(dim / 2, 3)), dy = widened(random_floats(dim, 4));
  for (const bool interleaved : {true, false}) {
    std::vector<double> dx(x.size());
    reference::rope_head<double>(dim, dy.data(), cos.data(), sin.data(), interleaved, true, dx.data());
    expect_close(dx, finite_differences(x, [&](const std::vector<double>& v) {
                   std::vector<double> y(v.size());
                   reference::rope_head<double>(dim, v.data(), cos.data(), sin.data(), interleaved, false, y.data());
                   return dot(y, dy);
                 }));
  }
}

TEST(Rope, KernelsEqualReference) {
  for (const int64_t dim : {2, 6, 16, 32, 34, 64, 66, 128})
    for (const int64_t n_tokens : {0, 1, 41})
      for (const bool interleaved : {true, false}) {
        const int64_t n_heads = 3, head = dim + 7, stride = n_heads * head + 4, n_positions = 50;
        const std::vector<float> x = random_floats(n_tokens * stride, 1), cos = random_floats(n_positions * dim / 2, 2),
                                 sin = random_floats(n_positions * dim / 2, 3);
        const std::vector<int32_t> positions = random_ids(n_tokens, n_positions, 4);
        for (const bool inverse : {false, true})
          expect_same_bits("rope", [&](bool reference) {
            std::vector<float> out = x;  // in place; what lies between the heads must stay
            const RopeArgs args{n_tokens,   n_heads,    dim,         out.data(), stride,
                                head,       out.data(), stride,      head,       positions.data(),
                                cos.data(), sin.data(), interleaved, inverse};
            (reference ? reference::rope : kernels().rope)(args);
            return out;
          });
      }
}

TEST(Rope, TapeTurnsTheGradientBackAndKeepsTheRest) {
  const int64_t n_tokens = 3, n_heads = 2, head_dim = 7, offset = 3, dim = 4;
  const RopeTable table(8, dim, 10000);
  const std::vector<int32_t> positions = {0, 1, 5};
  for (const bool in_place : {false, true}) {
    const Tensor x =
        Tensor::from_floats({n_tokens, n_heads * head_dim}, random_floats(n_tokens * n_heads * head_dim, 1));
    const Tensor before = x.clone();
    Tensor dx;
    Tape tape;
    const TapeScope scope(tape);
    tape.record("probe", [&](Tape& t) { dx = t.take_grad(x); });
    const Tensor y = rope(x, positions, table, n_heads, head_dim, offset, dim, true, in_place);
    EXPECT_EQ(y.raw() == x.raw(), in_place);
    for (int64_t i = 0; i < y.size(); ++i) {
      const int64_t t = i / (n_heads * head_dim), at = i % head_dim;
      const bool changed = y.data<float>()[i] != before.data<float>()[i];
      EXPECT_EQ(changed, t > 0 && at >= offset) << i;
    }
    tape.add_grad(y, y.clone());  // turned back, the rotated x is x again
    tape.backward();
    for (int64_t i = 0; i < y.size(); ++i) EXPECT_NEAR(dx.data<float>()[i], before.data<float>()[i], 1e-6) << i;
  }
}

TEST(Rope, MetaRunCountsTheTableAndARealRunStillMakesIt) {
  RopeTable table(4, 4, 10000);
  {
    const MetaScope meta;
    table.ensure(1000);
  }
  table.ensure(1000);
  EXPECT_NEAR(table.cos.data<float>()[1000 * 2], std::cos(1000.0), 1e-7);
}

}  // namespace
}  // namespace nuri
