// The definition of attention: its gradients against central differences, its accuracy against double, the op's tape.
#include "ops/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "autograd/tape.h"
#include "ops/attention_case.h"
#include "ops/bounds.h"

namespace nuri {
namespace {

using test::AttentionCase;
using test::AttentionShape;

std::vector<AttentionShape> small_shapes() {
  return {{.n_heads = 2, .d_k = 5, .d_shared = 3, .d_v = 4, .lengths = {1, 3, 7}},
          {.n_heads = 3, .d_k = 4, .d_shared = 0, .d_v = 2, .lengths = {5}},
          {.absorbed = true, .n_heads = 2, .d_k = 4, .d_shared = 3, .d_v = 4, .lengths = {6, 2}},
          {.absorbed = true, .n_heads = 2, .d_k = 5, .d_shared = 1, .d_v = 3, .lengths = {4}},
          {.n_heads = 1, .d_k = 2, .d_shared = 1, .d_v = 1, .lengths = {70}}};
}

/// Sum of dout * out: the function whose gradients the backward computes.
double loss(AttentionCase<double>& c) {
  c.reference_forward();
  double sum = 0;
  for (size_t i = 0; i < c.out.size(); ++i) sum += c.dout[i] * c.out[i];
  return sum;
}

void check_differences(AttentionCase<double>& c, std::vector<double>& x, const std::vector<double>& dx,
                       const char* what) {
  constexpr double kStep = 0x1p-17;  // error of the difference about step^2, of its rounding about 2^-52 / step
  for (size_t i = 0; i < x.size(); ++i) {
    const double kept = x[i];
    x[i] = kept + kStep;
    const double above = loss(c);
    x[i] = kept - kStep;
    const double below = loss(c);
    x[i] = kept;
    EXPECT_NEAR((above - below) / (2 * kStep), dx[i], 1e-8) << what << "[" << i << "]";
  }
}

TEST(AttentionDefinition, GradientsAreThoseOfCentralDifferences) {
  for (const AttentionShape& shape : small_shapes()) {
    AttentionCase<double> c(shape);
    c.reference_forward();
    c.reference_backward();
    const auto dq = c.dq, dkv = c.dkv, dk_shared = c.dk_shared;
    check_differences(c, c.q, dq, "dq");
    check_differences(c, c.kv, dkv, "dkv");
    check_differences(c, c.k_shared, dk_shared, "dk_shared");
  }
}

TEST(AttentionDefinition, MatchesPlainSoftmax) {
  AttentionCase<double> c({.n_heads = 2, .d_k = 3, .d_shared = 2, .d_v = 4, .lengths = {1100, 3}});
  c.reference_forward();
  const AttentionShape& s = c.shape;
  int64_t first = 0;
  for (int64_t length : s.lengths) {
    for (int64_t i = 0; i < length; i += i < 10 ? 1 : 97) {
      for (int64_t h = 0; h < s.n_heads; ++h) {
        std::vector<double> score;
        const double* q = &c.q[static_cast<size_t>(((first + i) * s.n_heads + h) * s.d_q())];
        double total = 0, largest = -1e300;
        for (int64_t j = 0; j <= i; ++j) {
          double dot = 0;
          for (int64_t e = 0; e < s.d_k; ++e)
            dot += q[e] * c.kv[static_cast<size_t>((first + j) * s.kv_row() + h * s.kv_head() + e)];
          for (int64_t e = 0; e < s.d_shared; ++e)
            dot += q[s.d_k + e] * c.k_shared[static_cast<size_t>((first + j) * s.d_shared + e)];
          score.push_back(dot * static_cast<double>(s.scale()));
          total += std::exp(score.back());
          largest = std::max(largest, score.back());
        }
        const auto row = static_cast<size_t>((first + i) * s.n_heads + h);
        for (int64_t e = 0; e < s.d_v; ++e) {
          double sum = 0;
          for (int64_t j = 0; j <= i; ++j)
            sum += std::exp(score[static_cast<size_t>(j)]) / total *
                   c.kv[static_cast<size_t>((first + j) * s.kv_row() + h * s.kv_head() + s.d_k + e)];
          EXPECT_NEAR(c.out[row * static_cast<size_t>(s.d_v) + static_cast<size_t>(e)], sum, 1e-13);
        }
        EXPECT_NEAR(c.lse[row], std::log(total), 1e-13);
        EXPECT_NEAR(c.row_max[row], largest, 1e-13);
      }
    }
    first += length;
  }
}

template <class T>
double largest(const std::vector<T>& x) {
  double m = 0;
  for (T v : x) m = std::max(m, std::fabs(static_cast<double>(v)));
  return m;
}

double worst(const std::vector<float>& a, const std::vector<double>& b) {
  double m = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::fabs(static_cast<double>(a[i]) - b[i]);
    m = std::isnan(d) ? 1e300 : std::max(m, d);
  }
  return m;
}

/// Float against double. With u the roundoff of the inputs of products (0 in FP32), n keys at most, q, k, v the largest
/// magnitudes:
///   score  e_s = (gamma(d_q) + 2u) d_q q k scale              p   e_p = 2 e_s + exp + u, relative
///   out    v (e_p + gamma(n + 2 blocks) + u)                  dp  e_dp = (gamma(d_v) + 2u) d_v dout v
///   ds     scale (e_p 2 B + 2 e_dp + u 2 B), B = d_v dout v   dq  k (ds + (gamma(n) + u) 2 B scale), as sum p = 1
///   dk     n q (...),  dv  n dout (e_p + gamma(n) + u): a key collects from n queries (times heads where shared)
TEST(AttentionDefinition, FloatIsAsAccurateAsItsRoundings) {
  for (Precision precision : {Precision::f32, Precision::bf16}) {
    for (AttentionShape shape :
         {AttentionShape{.n_heads = 2, .d_k = 32, .d_shared = 16, .d_v = 32, .lengths = {130, 65}},
          AttentionShape{.absorbed = true, .n_heads = 2, .d_k = 24, .d_shared = 8, .d_v = 24, .lengths = {100}}}) {
      shape.precision = precision;
      AttentionCase<float> c(shape);
      c.reference_forward();
      c.reference_backward();
      AttentionCase<double> exact = c.in_double();
      exact.reference_forward();
      exact.reference_backward();
      const double u = precision == Precision::bf16 ? bounds::kBf16 : 0;
      const int64_t n = *std::max_element(shape.lengths.begin(), shape.lengths.end());
      const double keys = static_cast<double>(n), heads = static_cast<double>(shape.n_heads);
      const double q = largest(c.q), k = std::max(largest(c.kv), largest(c.k_shared)), v = largest(c.kv);
      const double dout = largest(c.dout), scale = static_cast<double>(shape.scale());
      const double d_q = static_cast<double>(shape.d_q()), d_v = static_cast<double>(shape.d_v);
      const double e_s = (bounds::gamma(shape.d_q() + 1) + 2 * u) * d_q * q * k * scale;
      const double e_p = 2 * e_s + bounds::kFunction + u;
      const double chain = bounds::gamma(n + 8) + u;
      const double big = d_v * dout * v, e_dp = (bounds::gamma(shape.d_v) + 2 * u) * big;
      const double e_ds = scale * ((e_p + chain) * 2 * big + 2 * e_dp);
      EXPECT_LE(worst(c.out, exact.out), v * (e_p + chain));
      EXPECT_LE(worst(c.lse, exact.lse), e_s + bounds::gamma(n) + 20 * bounds::kFunction);
      EXPECT_LE(worst(c.dq, exact.dq), k * e_ds);
      EXPECT_LE(worst(c.dkv, exact.dkv), heads * keys * (q * e_ds + dout * (e_p + chain)));
      EXPECT_LE(worst(c.dk_shared, exact.dk_shared), heads * keys * q * e_ds);
      // The bounds must not be empty words: errors are of the order of the roundoff.
      EXPECT_LE(worst(c.out, exact.out), precision == Precision::bf16 ? 0.05 : 1e-5);
    }
  }
}

TEST(AttentionOp, BothFormsRecordTheirBackward) {
  for (bool absorbed : {false, true}) {
    const AttentionShape shape{
        .absorbed = absorbed, .n_heads = 2, .d_k = 6, .d_shared = 4, .d_v = 6, .lengths = {5, 1, 70}};
    AttentionCase<float> c(shape, 5);
    c.reference_forward();
    c.reference_backward();
    const int64_t n = shape.n_tokens();
    const Tensor q = Tensor::from_floats({n, shape.n_heads * shape.d_q()}, c.q);
    const Tensor kv = Tensor::from_floats({n, shape.kv_row()}, c.kv);
    const Tensor k_rope = Tensor::from_floats({n, shape.d_shared}, c.k_shared);
    std::vector<float> head_max(static_cast<size_t>(shape.n_heads));
    Tensor out, dq, dkv, dk_rope;
    {
      Tape tape;
      TapeScope scope(tape);
      tape.record("take", [&](Tape& t) {  // the first node runs last
        dq = t.take_grad(q);
        dkv = t.take_grad(kv);
        dk_rope = t.take_grad(k_rope);
      });
      const std::vector<int64_t> offsets = {0, 5, 5, 6, 76};
      out = absorbed ? attention_absorbed(q, kv, k_rope, offsets, shape.n_heads, shape.scale(), Precision::f32,
                                          head_max.data())
                     : attention_expanded(q, kv, k_rope, offsets, shape.n_heads, shape.d_k, shape.d_v, shape.scale(),
                                          Precision::f32, head_max.data());
      tape.add_grad(out, Tensor::from_floats({n, shape.n_heads * shape.d_v}, c.dout));
      tape.backward();
    }
    auto floats = [](const Tensor& t) { return std::vector<float>(t.span<float>().begin(), t.span<float>().end()); };
    EXPECT_EQ(floats(out), c.out);
    for (int64_t h = 0; h < shape.n_heads; ++h) {
      float most = c.row_max[static_cast<size_t>(h)];
      for (size_t i = static_cast<size_t>(h); i < c.row_max.size(); i += head_max.size())
        most = std::max(most, c.row_max[i]);
      EXPECT_EQ(head_max[static_cast<size_t>(h)], most) << "head " << h;
    }
    EXPECT_EQ(floats(dq), c.dq);
    EXPECT_EQ(floats(dkv), c.dkv);
    EXPECT_EQ(floats(dk_rope), c.dk_shared);
  }
}

}  // namespace
}  // namespace nuri
