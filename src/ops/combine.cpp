#include "ops/combine.h"

#include <algorithm>

#include "autograd/tape.h"
#include "base/x1.h"

namespace nuri {

Dispatch dispatch(const Tensor& experts, int64_t n_experts) {
  experts.expect({-1, -1}, "dispatch experts [n_tokens, n_active]");
  const int64_t n_tokens = experts.dim(0), n_active = experts.dim(1), n_slots = n_tokens * n_active;
  std::vector<int32_t> even;
  if (meta_active()) {
    even.resize(static_cast<size_t>(n_slots));
    for (int64_t i = 0; i < n_slots; ++i) even[static_cast<size_t>(i)] = static_cast<int32_t>(i % n_experts);
    for (int64_t t = 0; t < n_tokens; ++t) std::sort(even.begin() + t * n_active, even.begin() + (t + 1) * n_active);
  }
  const int32_t* expert = meta_active() ? even.data() : experts.data<int32_t>();
  Dispatch d;
  d.offsets.assign(static_cast<size_t>(n_experts) + 1, 0);
  for (int64_t i = 0; i < n_slots; ++i) ++d.offsets[static_cast<size_t>(expert[i]) + 1];
  for (size_t e = 0; e < static_cast<size_t>(n_experts); ++e) d.offsets[e + 1] += d.offsets[e];
  std::vector<int64_t> next(d.offsets.begin(), d.offsets.end() - 1);
  d.token_of_slot.resize(static_cast<size_t>(n_slots));
  d.slots.resize(static_cast<size_t>(n_slots));
  for (int64_t i = 0; i < n_slots; ++i) {
    const int64_t slot = next[static_cast<size_t>(expert[i])]++;
    d.token_of_slot[static_cast<size_t>(slot)] = static_cast<int32_t>(i / n_active);
    d.slots[static_cast<size_t>(i)] = static_cast<int32_t>(slot);
  }
  return d;
}

namespace reference {

template <class T>
void combine_row(int64_t d, int64_t n_active, const T* shared, const T* f, const int32_t* slots, const T* weights,
                 T* y) {
  for (int64_t i = 0; i < d; ++i) {
    T sum = shared ? shared[i] : T(0);
    for (int64_t j = 0; j < n_active; ++j) sum = x1::fma(weights[j], f[slots[j] * d + i], sum);
    y[i] = sum;
  }
}

template <class T>
void combine_grad_row(int64_t d, int64_t n_active, const T* f, const int32_t* slots, const T* weights, const T* dy,
                      T* df, T* dweights) {
  for (int64_t j = 0; j < n_active; ++j) {
    const T* row = f + slots[j] * d;
    dweights[j] = x1::row_sum<T>(d, [&](int64_t i) { return dy[i] * row[i]; });
    for (int64_t i = 0; df && i < d; ++i) df[slots[j] * d + i] = weights[j] * dy[i];
  }
}

template void combine_row(int64_t, int64_t, const float*, const float*, const int32_t*, const float*, float*);
template void combine_row(int64_t, int64_t, const double*, const double*, const int32_t*, const double*, double*);
template void combine_grad_row(int64_t, int64_t, const float*, const int32_t*, const float*, const float*, float*,
                               float*);
template void combine_grad_row(int64_t, int64_t, const double*, const int32_t*, const double*, const double*, double*,
                               double*);

void combine(const CombineArgs& a) {
  for (int64_t t = 0; t < a.n_tokens; ++t) {
    float* y = a.y + t * a.d;
    combine_row(a.d, a.n_active, a.shared ? a.shared + t * a.d : nullptr, a.f, a.slots + t * a.n_active,
                a.weights + t * a.n_active, y);
    for (int64_t i = 0; a.residual && i < a.d; ++i) y[i] = a.residual[t * a.d + i] + y[i];
  }
}

void combine_grad(const CombineGradArgs& a) {
  for (int64_t t = 0; t < a.n_tokens; ++t) {
    const int32_t* slots = a.slots + t * a.n_active;
    const float *weights = a.weights + t * a.n_active, *dy = a.dy + t * a.d;
    combine_grad_row(a.d, a.n_active, a.f, slots, weights, dy, a.df, a.dweights + t * a.n_active);
    for (int64_t j = 0; a.df_rounded && j < a.n_active; ++j)
      for (int64_t i = 0; i < a.d; ++i) a.df_rounded[slots[j] * a.d + i].bits = x1::to_bf16(weights[j] * dy[i]);
  }
}

void gather_grad(const GatherGradArgs& a) {
  for (int64_t t = 0; t < a.n_tokens; ++t) {
    const int32_t* slots = a.slots + t * a.n_active;
    for (int64_t i = 0; i < a.d; ++i) {
      float sum = a.dxs[slots[0] * a.d + i];
      for (int64_t j = 1; j < a.n_active; ++j) sum = sum + a.dxs[slots[j] * a.d + i];
      a.dx[t * a.d + i] = sum;
    }
  }
}

}  // namespace reference

Tensor combine(const Tensor& shared, const Tensor& f, const Tensor& weights, const Dispatch& dispatch,
               Precision precision, const Tensor& residual) {
  weights.expect({-1, -1}, "combine weights [n_tokens, n_active]");
  const int64_t n_tokens = weights.dim(0), n_active = weights.dim(1), d = f.dim(1);
  f.expect({n_tokens * n_active, d}, "combine f [n_slots, d]");
  if (shared.defined()) shared.expect({n_tokens, d}, "combine shared [n_tokens, d]");
  if (residual.defined()) residual.expect({n_tokens, d}, "combine residual [n_tokens, d]");
  NURI_ASSERT(f.contiguous() && weights.contiguous() && (!shared.defined() || shared.contiguous()) &&
              (!residual.defined() || residual.contiguous()));
  Tensor y = Tensor::empty({n_tokens, d});
  run(kernels().combine, reference::combine,
      CombineArgs{n_tokens, d, n_active, shared.defined() ? shared.data<float>() : nullptr, f.data<float>(),
                  dispatch.slots.data(), weights.data<float>(), y.data<float>(),
                  residual.defined() ? residual.data<float>() : nullptr});
  if (Tape* tape = Tape::current()) {
    tape->record(
        "combine",
        [shared = shared.defined() ? shared.id() : 0, residual = residual.defined() ? residual.id() : 0, f, weights,
         y = y.id(), slots = dispatch.slots, n_tokens, d, n_active, rounded = precision == Precision::bf16](Tape& t) {
          const Tensor dy = t.take_grad(y);
          if (!dy.defined()) return;
          Tensor df = Tensor::empty(f.shape(), rounded ? DType::bf16 : DType::f32);
          Tensor dweights = Tensor::empty(weights.shape());
          run(kernels().combine_grad, reference::combine_grad,
              CombineGradArgs{n_tokens, d, n_active, f.data<float>(), slots.data(), weights.data<float>(),
                              dy.data<float>(), rounded ? nullptr : df.data<float>(), dweights.data<float>(),
                              rounded ? df.data<Bf16>() : nullptr});
          t.add_grad(f, df);
          t.add_grad(weights, dweights);
          if (shared) t.add_grad(shared, dy);
          if (residual) t.add_grad(residual, dy);
        });
  }
  observe("combine", y);
  return y;
}

Tensor gather_grad(const Tensor& dxs, const Dispatch& dispatch, int64_t n_active) {
  const int64_t n_tokens = dxs.dim(0) / n_active, d = dxs.dim(1);
  NURI_ASSERT(dxs.contiguous() && n_tokens * n_active == dxs.dim(0));
  Tensor dx = Tensor::empty({n_tokens, d});
  run(kernels().gather_grad, reference::gather_grad,
      GatherGradArgs{n_tokens, d, n_active, dxs.data<float>(), dispatch.slots.data(), dx.data<float>()});
  return dx;
}

}  // namespace nuri
