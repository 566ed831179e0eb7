#include "ops/rmsnorm.h"

#include <algorithm>
#include <array>
#include <vector>

#include "autograd/kept.h"
#include "autograd/tape.h"
#include "base/x1.h"
#include "ops/element.h"
#include "ops/residual.h"

namespace nuri {

namespace reference {

template <class T>
T rmsnorm_row(int64_t d, const T* x, const T* g, T eps, T* y) {
  const T mean = x1::row_sum<T>(d, [&](int64_t i) { return x[i] * x[i]; }) / static_cast<T>(d);
  const T r = T(1) / x1::sqrt(mean + eps);
  for (int64_t i = 0; i < d; ++i) y[i] = (x[i] * r) * g[i];
  return r;
}

template <class T>
void rmsnorm_grad_row(int64_t d, const T* x, const T* g, T r, const T* dy, T* dx, bool accumulate) {
  const T sum = x1::row_sum<T>(d, [&](int64_t i) { return (g[i] * dy[i]) * x[i]; });
  const T c = (r * r) * sum / static_cast<T>(d);
  for (int64_t i = 0; i < d; ++i) {
    const T v = r * x1::fma(-c, x[i], g[i] * dy[i]);
    dx[i] = accumulate ? dx[i] + v : v;
  }
}

template <class T>
void rmsnorm_gain_grad_row(int64_t d, const T* x, T r, const T* dy, T* dg) {
  for (int64_t i = 0; i < d; ++i) dg[i] = x1::fma(dy[i], x[i] * r, dg[i]);
}

template float rmsnorm_row(int64_t, const float*, const float*, float, float*);
template double rmsnorm_row(int64_t, const double*, const double*, double, double*);
template void rmsnorm_grad_row(int64_t, const float*, const float*, float, const float*, float*, bool);
template void rmsnorm_grad_row(int64_t, const double*, const double*, double, const double*, double*, bool);
template void rmsnorm_gain_grad_row(int64_t, const float*, float, const float*, float*);
template void rmsnorm_gain_grad_row(int64_t, const double*, double, const double*, double*);

namespace {
std::vector<float> widened(const void* g, DType dtype, int64_t d) {
  std::vector<float> wide(static_cast<size_t>(d));
  for (int64_t i = 0; i < d; ++i) wide[static_cast<size_t>(i)] = element(g, dtype, i);
  return wide;
}
}  // namespace

void rmsnorm(const RmsNormArgs& a) {
  const std::vector<float> g = widened(a.g, a.g_dtype, a.d);
  std::vector<float> y(static_cast<size_t>(a.d));
  for (int64_t t = 0; t < a.n_tokens; ++t) {
    const float* x = a.x + t * a.x_stride;
    for (int64_t i = 0; a.addend && i < a.d; ++i) a.sum[t * a.d + i] = x[i] + a.addend[t * a.d + i];
    const float r = rmsnorm_row(a.d, a.addend ? a.sum + t * a.d : x, g.data(), a.eps, y.data());
    if (a.r) a.r[t] = r;
    if (a.y) std::copy(y.begin(), y.end(), a.y + t * a.y_stride);
    for (int64_t i = 0; a.y_rounded && i < a.d; ++i)
      a.y_rounded[t * a.d + i].bits = x1::to_bf16(y[static_cast<size_t>(i)]);
  }
}

void rmsnorm_grad(const RmsNormGradArgs& a) {
  const std::vector<float> g = widened(a.g, a.g_dtype, a.d);
  for (int64_t t = 0; t < a.n_tokens; ++t) {
    const float *x = a.x + t * a.x_stride, *dy = a.dy + t * a.dy_stride;
    rmsnorm_grad_row(a.d, x, g.data(), a.r[t], dy, a.dx + t * a.dx_stride, a.dx_accumulate);
    if (a.dg) rmsnorm_gain_grad_row(a.d, x, a.r[t], dy, a.dg);
  }
}

}  // namespace reference

namespace {

void backward(Tape& tape, uint64_t id, const Kept& kept, Weight& g, const Tensor& r, uint64_t y) {
  const Tensor dy = tape.take_grad(y);
  if (!dy.defined()) return;
  const Tensor x = kept.get();
  // Where x has a gradient already (the residual stream always has), the kernel adds to it: one pass less.
  Tensor dx = tape.own_grad(id);
  const bool accumulate = dx.defined();
  if (!accumulate) dx = Tensor::empty(x.shape());
  run(kernels().rmsnorm_grad, reference::rmsnorm_grad,
      RmsNormGradArgs{.n_tokens = x.dim(0),
                      .d = x.dim(1),
                      .x = x.data<float>(),
                      .x_stride = x.row_stride(),
                      .g = g.value.raw(),
                      .g_dtype = g.value.dtype(),
                      .r = r.data<float>(),
                      .dy = dy.data<float>(),
                      .dy_stride = dy.row_stride(),
                      .dx = dx.data<float>(),
                      .dx_stride = dx.row_stride(),
                      .dx_accumulate = accumulate,
                      .dg = g.trainable() ? g.chain(0).data<float>() : nullptr});
  if (!accumulate) tape.add_grad(id, dx);
}

/// exact: y is wanted; rounded: y as BF16 is. Both are one value on the tape. Where `addends` are given x is their sum,
/// which is made here.
Normed forward(const Tensor& x, Weight& g, float eps, bool exact, bool rounded, std::array<Tensor, 2> addends = {}) {
  x.expect({-1, -1}, "rmsnorm x [n_tokens, d]");
  g.value.expect({x.dim(1)}, "rmsnorm g [d]");
  Tape* tape = Tape::current();
  Normed out;
  if (exact) out.exact = Tensor::empty(x.shape());
  if (rounded) out.rounded = Tensor::empty(x.shape(), DType::bf16);
  if (exact && rounded) out.rounded.take_identity(out.exact);
  const Tensor& y = exact ? out.exact : out.rounded;
  const Tensor r = tape ? Tensor::empty({x.dim(0)}) : Tensor();
  const bool adds = addends[0].defined();
  const Tensor& read = adds ? addends[0] : x;
  run(kernels().rmsnorm, reference::rmsnorm,
      RmsNormArgs{.n_tokens = x.dim(0),
                  .d = x.dim(1),
                  .x = read.data<float>(),
                  .x_stride = read.row_stride(),
                  .g = g.value.raw(),
                  .g_dtype = g.value.dtype(),
                  .eps = eps,
                  .y = exact ? out.exact.data<float>() : nullptr,
                  .y_stride = x.dim(1),
                  .r = tape ? r.data<float>() : nullptr,
                  .y_rounded = rounded ? out.rounded.data<Bf16>() : nullptr,
                  .addend = adds ? addends[1].data<float>() : nullptr,
                  .sum = adds ? x.data<float>() : nullptr});
  if (adds) {
    record_add(addends[0].id(), addends[1].id(), x.id());
    observe("add", x);
  }
  if (tape) {
    const Kept kept(x);
    tape->record("rmsnorm", [id = x.id(), kept, &g, r, y = y.id()](Tape& t) { backward(t, id, kept, g, r, y); });
    if (exact) can_make_again(out.exact, [x = Kept(x), &g, eps] { return rmsnorm(x.get(), g, eps); });
    if (rounded)
      can_make_again(out.rounded,
                     [x = Kept(x), &g, eps] { return rmsnorm_for_product(x.get(), g, eps, Precision::bf16); });
  }
  observe("rmsnorm", y);
  return out;
}

}  // namespace

Tensor rmsnorm(const Tensor& x, Weight& g, float eps) { return forward(x, g, eps, true, false).exact; }

Tensor rmsnorm_for_product(const Tensor& x, Weight& g, float eps, Precision precision) {
  if (precision == Precision::f32) return rmsnorm(x, g, eps);
  return forward(x, g, eps, false, true).rounded;
}

Normed rmsnorm_both(const Tensor& x, Weight& g, float eps, Precision precision) {
  Normed out = forward(x, g, eps, true, precision == Precision::bf16);
  if (precision == Precision::f32) out.rounded = out.exact;
  return out;
}

NormedSum add_rmsnorm(const Tensor& a, const Tensor& b, Weight& g, float eps, Precision precision, bool exact) {
  NURI_ASSERT(a.shape() == b.shape() && a.contiguous() && b.contiguous(), "{} + {}", a.shape().text(),
              b.shape().text());
  const bool rounds = precision == Precision::bf16;
  NormedSum out;
  out.sum = Tensor::empty(a.shape());
  out.normed = forward(out.sum, g, eps, exact || !rounds, rounds, {a, b});
  if (!rounds) out.normed.rounded = out.normed.exact;
  return out;
}

}  // namespace nuri
