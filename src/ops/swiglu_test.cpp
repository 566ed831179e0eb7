#include "ops/swiglu.h"

#include "autograd/tape.h"
#include "ops/bounds.h"
#include "ops/op_test_support.h"

namespace nuri {
namespace {

using namespace test;

TEST(Swiglu, FloatIsCloseToDoubleAndToTheFormula) {
  const std::vector<float> gate = random_floats(1000, 1, 5), up = random_floats(1000, 2);
  for (size_t i = 0; i < gate.size(); ++i) {
    const double exact = double(gate[i]) / (1 + std::exp(-double(gate[i]))) * double(up[i]);
    EXPECT_NEAR(reference::swiglu_value<double>(gate[i], up[i]), exact, 1e-14 * std::fabs(exact));
    EXPECT_NEAR(reference::swiglu_value<float>(gate[i], up[i]), exact,
                (bounds::kFunction + bounds::gamma(2)) * std::fabs(exact));
  }
}

TEST(Swiglu, BackwardMatchesFiniteDifferences) {
  const std::vector<double> x = widened(random_floats(40, 1, 3));
  for (size_t i = 0; i + 1 < x.size(); i += 2) {
    double dgate = 0, dup = 0;
    reference::swiglu_grad_value<double>(x[i], x[i + 1], 0.7, dgate, dup);
    expect_close({dgate, dup}, finite_differences({x[i], x[i + 1]}, [](const std::vector<double>& v) {
                   return 0.7 * reference::swiglu_value<double>(v[0], v[1]);
                 }));
  }
}

TEST(Swiglu, KernelsEqualReference) {
  for (const int64_t d : kWidths)
    for (const int64_t n_tokens : {0, 1, 37}) {
      const std::vector<float> gu = random_floats(n_tokens * d * 2, 1, 20), dh = random_floats(n_tokens * d, 2);
      expect_same_bits("swiglu", [&](bool reference) {
        std::vector<float> h(static_cast<size_t>(n_tokens * d));
        (reference ? reference::swiglu : kernels().swiglu)({n_tokens, d, gu.data(), h.data()});
        return h;
      });
      expect_same_bits("swiglu_grad", [&](bool reference) {
        std::vector<float> dgu(gu.size());
        (reference ? reference::swiglu_grad : kernels().swiglu_grad)({n_tokens, d, gu.data(), dh.data(), dgu.data()});
        return dgu;
      });
      expect_same_bits("swiglu, rounded", [&](bool reference) {
        std::vector<Bf16> h(static_cast<size_t>(n_tokens * d));
        (reference ? reference::swiglu : kernels().swiglu)({n_tokens, d, gu.data(), nullptr, h.data()});
        return widened_bf16(h);
      });
      expect_same_bits("swiglu_grad, rounded", [&](bool reference) {
        std::vector<Bf16> dgu(gu.size());
        (reference ? reference::swiglu_grad
                   : kernels().swiglu_grad)({n_tokens, d, gu.data(), dh.data(), nullptr, dgu.data()});
        return widened_bf16(dgu);
      });
    }
}

TEST(Swiglu, TapeGivesTheGradient) {
  const Tensor gu = Tensor::from_floats({2, 6}, random_floats(12, 1));
  const std::vector<float> dh = random_floats(6, 2);
  Tensor dgu;
  Tape tape;
  const TapeScope scope(tape);
  tape.record("probe", [&](Tape& t) { dgu = t.take_grad(gu); });
  const Tensor h = swiglu(gu, Precision::f32);
  tape.add_grad(h, Tensor::from_floats({2, 3}, dh));
  tape.backward();
  for (int t = 0; t < 2; ++t)
    for (int i = 0; i < 3; ++i) {
      const float* row = gu.data<float>() + t * 6;
      double dgate = 0, dup = 0;
      reference::swiglu_grad_value<double>(row[i], row[3 + i], dh[static_cast<size_t>(t * 3 + i)], dgate, dup);
      EXPECT_NEAR(dgu.data<float>()[t * 6 + i], dgate, 1e-6);
      EXPECT_NEAR(dgu.data<float>()[t * 6 + 3 + i], dup, 1e-6);
    }
}

}  // namespace
}  // namespace nuri
