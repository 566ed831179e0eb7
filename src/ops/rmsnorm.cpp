#include "ops/rmsnorm.h"

#include <vector>

#include "autograd/tape.h"
#include "base/x1.h"
#include "ops/element.h"

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
  for (int64_t t = 0; t < a.n_tokens; ++t) {
    const float r = rmsnorm_row(a.d, a.x + t * a.x_stride, g.data(), a.eps, a.y + t * a.y_stride);
    if (a.r) a.r[t] = r;
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

void backward(Tape& tape, const Tensor& x, Weight& g, const Tensor& r, const Tensor& y) {
  const Tensor dy = tape.take_grad(y);
  if (!dy.defined()) return;
  // Where x has a gradient already (the residual stream always has), the kernel adds to it: one pass less.
  Tensor dx = tape.own_grad(x);
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
  if (!accumulate) tape.add_grad(x, dx);
}

}  // namespace

Tensor rmsnorm(const Tensor& x, Weight& g, float eps) {
  x.expect({-1, -1}, "rmsnorm x [n_tokens, d]");
  g.value.expect({x.dim(1)}, "rmsnorm g [d]");
  Tape* tape = Tape::current();
  Tensor y = Tensor::empty(x.shape());
  const Tensor r = tape ? Tensor::empty({x.dim(0)}) : Tensor();
  run(kernels().rmsnorm, reference::rmsnorm,
      RmsNormArgs{.n_tokens = x.dim(0),
                  .d = x.dim(1),
                  .x = x.data<float>(),
                  .x_stride = x.row_stride(),
                  .g = g.value.raw(),
                  .g_dtype = g.value.dtype(),
                  .eps = eps,
                  .y = y.data<float>(),
                  .y_stride = y.row_stride(),
                  .r = tape ? r.data<float>() : nullptr});
  if (tape) tape->record("rmsnorm", [x, &g, r, y](Tape& t) { backward(t, x, g, r, y); });
  observe("rmsnorm", y);
  return y;
}

}  // namespace nuri
