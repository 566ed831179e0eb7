#include "ops/swiglu.h"

#include "autograd/kept.h"
#include "autograd/tape.h"
#include "base/x1.h"

namespace nuri {

namespace reference {

template <class T>
T swiglu_value(T gate, T up) {
  return (gate * x1::sigmoid(gate)) * up;
}

template <class T>
void swiglu_grad_value(T gate, T up, T dh, T& dgate, T& dup) {
  const T s = x1::sigmoid(gate), silu = gate * s;
  dup = dh * silu;
  dgate = (dh * up) * x1::fma(silu, T(1) - s, s);
}

template float swiglu_value(float, float);
template double swiglu_value(double, double);
template void swiglu_grad_value(float, float, float, float&, float&);
template void swiglu_grad_value(double, double, double, double&, double&);

void swiglu(const SwigluArgs& a) {
  for (int64_t t = 0; t < a.n_tokens; ++t) {
    const float* gate = a.gu + 2 * t * a.d;
    for (int64_t i = 0; i < a.d; ++i) {
      const float h = swiglu_value(gate[i], gate[a.d + i]);
      if (a.h)
        a.h[t * a.d + i] = h;
      else
        a.h_rounded[t * a.d + i].bits = x1::to_bf16(h);
    }
  }
}

void swiglu_grad(const SwigluGradArgs& a) {
  for (int64_t t = 0; t < a.n_tokens; ++t) {
    const float* gate = a.gu + 2 * t * a.d;
    const int64_t to = 2 * t * a.d;
    for (int64_t i = 0; i < a.d; ++i) {
      float dgate, dup;
      swiglu_grad_value(gate[i], gate[a.d + i], a.dh[t * a.d + i], dgate, dup);
      if (a.dgu) {
        a.dgu[to + i] = dgate, a.dgu[to + a.d + i] = dup;
      } else {
        a.dgu_rounded[to + i].bits = x1::to_bf16(dgate);
        a.dgu_rounded[to + a.d + i].bits = x1::to_bf16(dup);
      }
    }
  }
}

}  // namespace reference

Tensor swiglu(const Tensor& gu, Precision precision) {
  gu.expect({-1, -1}, "swiglu gu [n_tokens, 2 d]");
  NURI_ASSERT(gu.contiguous() && gu.dim(1) % 2 == 0);
  const int64_t n_tokens = gu.dim(0), d = gu.dim(1) / 2;
  const bool rounded = precision == Precision::bf16;
  const DType dtype = rounded ? DType::bf16 : DType::f32;
  Tensor h = Tensor::empty({n_tokens, d}, dtype);
  run(kernels().swiglu, reference::swiglu,
      SwigluArgs{n_tokens, d, gu.data<float>(), rounded ? nullptr : h.data<float>(),
                 rounded ? h.data<Bf16>() : nullptr});
  if (Tape* tape = Tape::current()) {
    tape->record("swiglu", [gu, y = h.id(), n_tokens, d, rounded, dtype](Tape& t) {
      const Tensor dh = t.take_grad(y);
      if (!dh.defined()) return;
      Tensor dgu = Tensor::empty(gu.shape(), dtype);
      run(kernels().swiglu_grad, reference::swiglu_grad,
          SwigluGradArgs{n_tokens, d, gu.data<float>(), dh.data<float>(), rounded ? nullptr : dgu.data<float>(),
                         rounded ? dgu.data<Bf16>() : nullptr});
      t.add_grad(gu, dgu);
    });
    can_make_again(h, [gu, precision] { return swiglu(gu, precision); });
  }
  observe("swiglu", h);
  return h;
}

}  // namespace nuri
