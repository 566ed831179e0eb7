#include "ops/rmsnorm.h"

#include "autograd/tape.h"
#include "ops/bounds.h"
#include "ops/op_test_support.h"
#include "ops/residual.h"

namespace nuri {
namespace {

using namespace test;

TEST(RmsNorm, HandValues) {
  // mean square 12.5, eps 0.0, r = 1 / sqrt(12.5)
  const float x[] = {3, 4}, g[] = {1, 2};
  float y[2];
  EXPECT_FLOAT_EQ(reference::rmsnorm_row<float>(2, x, g, 0.0f, y), 0.28284271f);
  EXPECT_FLOAT_EQ(y[0], 0.84852814f);
  EXPECT_FLOAT_EQ(y[1], 2.2627417f);
}

TEST(RmsNorm, FloatIsCloseToDouble) {
  for (const int64_t d : kWidths) {
    const std::vector<float> x = random_floats(d, 1), g = random_floats(d, 2);
    std::vector<float> y(x.size());
    std::vector<double> y64(x.size());
    reference::rmsnorm_row<float>(d, x.data(), g.data(), 1e-6f, y.data());
    reference::rmsnorm_row<double>(d, widened(x).data(), widened(g).data(), double(1e-6f), y64.data());
    // r: half of the sum's error and of three roundings, then sqrt and 1/; two products.
    const double bound = (bounds::row_sum(d) + bounds::gamma(3)) / 2 + bounds::gamma(4);
    for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], y64[i], bound * std::fabs(y64[i])) << d << " " << i;
  }
}

TEST(RmsNorm, BackwardMatchesFiniteDifferences) {
  for (const int64_t d : {int64_t{1}, int64_t{7}, int64_t{65}}) {
    const std::vector<double> x = widened(random_floats(d, 1)), g = widened(random_floats(d, 2)),
                              dy = widened(random_floats(d, 3));
    const double eps = 1e-2;
    auto loss = [&](const std::vector<double>& at_x, const std::vector<double>& at_g) {
      std::vector<double> y(x.size());
      reference::rmsnorm_row<double>(d, at_x.data(), at_g.data(), eps, y.data());
      return dot(y, dy);
    };
    std::vector<double> y(x.size()), dx(x.size()), dg(x.size(), 0.0);
    const double r = reference::rmsnorm_row<double>(d, x.data(), g.data(), eps, y.data());
    reference::rmsnorm_grad_row<double>(d, x.data(), g.data(), r, dy.data(), dx.data(), false);
    reference::rmsnorm_gain_grad_row<double>(d, x.data(), r, dy.data(), dg.data());
    expect_close(dx, finite_differences(x, [&](const auto& v) { return loss(v, g); }));
    expect_close(dg, finite_differences(g, [&](const auto& v) { return loss(x, v); }));
  }
}

TEST(RmsNorm, KernelsEqualReference) {
  for (const int64_t d : kWidths)
    for (const int64_t n_tokens : {0, 1, 37})
      for (const bool bf16 : {false, true}) {
        const int64_t stride = d + 5;  // a slice of columns
        const std::vector<float> x = random_floats(n_tokens * stride + d, 1), g = random_floats(d, 2),
                                 dy = random_floats(n_tokens * d, 3);
        const std::vector<Bf16> g16 = rounded(g);
        const void* gain = bf16 ? static_cast<const void*>(g16.data()) : g.data();
        const DType dtype = bf16 ? DType::bf16 : DType::f32;
        expect_same_bits("rmsnorm", [&](bool reference) {
          std::vector<float> out(static_cast<size_t>(n_tokens * d + n_tokens));
          const RmsNormArgs args{n_tokens, d,     x.data(),   stride, gain,
                                 dtype,    1e-6f, out.data(), d,      out.data() + n_tokens * d};
          (reference ? reference::rmsnorm : kernels().rmsnorm)(args);
          return out;
        });
        for (const bool exact : {false, true})
          expect_same_bits("rmsnorm, rounded", [&](bool reference) {
            std::vector<float> out(static_cast<size_t>(n_tokens * d + n_tokens));
            std::vector<Bf16> narrow(static_cast<size_t>(n_tokens * d));
            const RmsNormArgs args{n_tokens,
                                   d,
                                   x.data(),
                                   stride,
                                   gain,
                                   dtype,
                                   1e-6f,
                                   exact ? out.data() : nullptr,
                                   d,
                                   out.data() + n_tokens * d,
                                   narrow.data()};
            (reference ? reference::rmsnorm : kernels().rmsnorm)(args);
            const std::vector<float> wide = widened_bf16(narrow);
            out.insert(out.end(), wide.begin(), wide.end());
            return out;
          });
        const std::vector<float> addend = random_floats(n_tokens * d, 5);
        expect_same_bits("add_rmsnorm", [&](bool reference) {
          std::vector<float> out(static_cast<size_t>(2 * n_tokens * d + n_tokens));
          const RmsNormArgs args{.n_tokens = n_tokens,
                                 .d = d,
                                 .x = x.data(),
                                 .x_stride = stride,
                                 .g = gain,
                                 .g_dtype = dtype,
                                 .eps = 1e-6f,
                                 .y = out.data(),
                                 .y_stride = d,
                                 .r = out.data() + 2 * n_tokens * d,
                                 .addend = addend.data(),
                                 .sum = out.data() + n_tokens * d};
          (reference ? reference::rmsnorm : kernels().rmsnorm)(args);
          return out;
        });
        std::vector<float> y(dy.size()), r(static_cast<size_t>(n_tokens));
        reference::rmsnorm({n_tokens, d, x.data(), stride, gain, dtype, 1e-6f, y.data(), d, r.data()});
        for (const bool accumulate : {false, true})
          expect_same_bits("rmsnorm_grad", [&](bool reference) {
            std::vector<float> out = random_floats(n_tokens * d + d, 4);
            const RmsNormGradArgs args{n_tokens,  d, x.data(),       stride, gain,       dtype,     r.data(),
                                       dy.data(), d, out.data() + d, d,      accumulate, out.data()};
            (reference ? reference::rmsnorm_grad : kernels().rmsnorm_grad)(args);
            return out;
          });
      }
}

TEST(RmsNorm, TapeGivesBothGradients) {
  const int64_t n_tokens = 5, d = 70;
  const std::vector<float> wide = random_floats(n_tokens * 100, 1), dy = random_floats(n_tokens * d, 3);
  const Tensor all = Tensor::from_floats({n_tokens, 100}, wide), x = all.columns(10, 10 + d);
  Weight g({{"norm.weight", {d}}}, DType::f32, true);
  const std::vector<float> gain = random_floats(d, 2);
  std::copy(gain.begin(), gain.end(), g.value.data<float>());

  Tensor before = Tensor::zeros({n_tokens, d}), dx;
  before.data<float>()[0] = 1;  // a gradient that x has already is added to
  Tape tape;
  const TapeScope scope(tape);
  tape.record("probe", [&](Tape& t) { dx = t.take_grad(x); });
  const Tensor y = rmsnorm(x, g, 1e-6f);
  tape.add_grad(y, Tensor::from_floats({n_tokens, d}, dy));
  tape.add_grad(x, before);
  tape.backward();
  std::vector<double> dg(static_cast<size_t>(d), 0.0);
  for (int64_t t = 0; t < n_tokens; ++t) {
    const float* row = x.data<float>() + t * x.row_stride();
    const std::vector<double> xs(row, row + d),
        gs = widened(gain), dys(&dy[static_cast<size_t>(t * d)], &dy[static_cast<size_t>(t * d)] + d);
    std::vector<double> ys(xs.size()), dxs(xs.size());
    const double r = reference::rmsnorm_row<double>(d, xs.data(), gs.data(), 1e-6, ys.data());
    reference::rmsnorm_grad_row<double>(d, xs.data(), gs.data(), r, dys.data(), dxs.data(), false);
    reference::rmsnorm_gain_grad_row<double>(d, xs.data(), r, dys.data(), dg.data());
    for (int64_t i = 0; i < d; ++i)
      EXPECT_NEAR(dx.data<float>()[t * d + i], dxs[static_cast<size_t>(i)] + (t == 0 && i == 0 ? 1 : 0), 1e-5);
  }
  for (int64_t i = 0; i < d; ++i) EXPECT_NEAR(g.grads[0].data<float>()[i], dg[static_cast<size_t>(i)], 1e-5);
}

/// Values and gradients of a norm of a sum, and of a reader of the sum beside it: all of it as one list.
std::vector<float> normed_sum(bool fused, Precision precision, bool exact) {
  const int64_t n_tokens = 7, d = 65;
  const Tensor a = Tensor::from_floats({n_tokens, d}, random_floats(n_tokens * d, 1)),
               b = Tensor::from_floats({n_tokens, d}, random_floats(n_tokens * d, 2));
  Weight g({{"norm.weight", {d}}}, DType::f32, true);
  const std::vector<float> gain = random_floats(d, 3);
  std::copy(gain.begin(), gain.end(), g.value.data<float>());
  Tensor da, db;
  Tape tape;
  const TapeScope scope(tape);
  tape.record("probe", [&](Tape& t) { da = t.take_grad(a), db = t.take_grad(b); });
  NormedSum out;
  if (fused) {
    out = add_rmsnorm(a, b, g, 1e-6f, precision, exact);
  } else {
    out.sum = add(a, b);
    if (exact)
      out.normed = rmsnorm_both(out.sum, g, 1e-6f, precision);
    else
      out.normed.rounded = rmsnorm_for_product(out.sum, g, 1e-6f, precision);
  }
  tape.add_grad(out.normed.rounded, Tensor::from_floats({n_tokens, d}, random_floats(n_tokens * d, 4)));
  tape.add_grad(out.sum, Tensor::from_floats({n_tokens, d}, random_floats(n_tokens * d, 5)));
  tape.backward();
  std::vector<float> all;
  auto append = [&all](const Tensor& t) { all.insert(all.end(), t.data<float>(), t.data<float>() + t.size()); };
  append(out.sum);
  if (exact) append(out.normed.exact);
  if (precision == Precision::f32) {
    append(out.normed.rounded);
  } else {
    const Bf16* y = out.normed.rounded.data<Bf16>();
    const std::vector<float> wide = widened_bf16({y, y + n_tokens * d});
    all.insert(all.end(), wide.begin(), wide.end());
  }
  append(da), append(db), append(g.grads[0]);
  return all;
}

TEST(RmsNorm, OfASumIsTheSumAndItsNorm) {
  for (const Precision precision : {Precision::f32, Precision::bf16})
    for (const bool exact : {false, true})
      EXPECT_EQ(normed_sum(true, precision, exact), normed_sum(false, precision, exact))
          << precision_name(precision) << " exact " << exact;
}

}  // namespace
}  // namespace nuri
