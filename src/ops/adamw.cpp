#include "ops/adamw.h"

#include "base/error.h"
#include "base/x1.h"

namespace nuri {

float adamw_bias(double beta, int64_t step) {
  return static_cast<float>(beta == 0 ? 1.0 : 1.0 - x1::pow(beta, static_cast<double>(step)));
}

namespace reference {

template <class T>
void adamw_value(const AdamWArgs& a, T grad, T& p, T& m, T& v) {
  const T beta1 = a.beta1, beta2 = a.beta2, lr = a.lr;
  const T g = grad * T(a.clip);
  m = x1::fma(beta1, m, (T(1) - beta1) * g);
  v = x1::fma(beta2, v, ((T(1) - beta2) * g) * g);
  p = p - (lr * T(a.decay)) * p;
  p = p - lr * ((m / T(a.bias1)) / (x1::sqrt(v / T(a.bias2)) + T(a.eps)));
}
template void adamw_value(const AdamWArgs&, float, float&, float&, float&);
template void adamw_value(const AdamWArgs&, double, double&, double&, double&);

void adamw(const AdamWArgs& a) {
  for (int64_t i = 0; i < a.n; ++i) {
    adamw_value(a, a.grad[i], a.p[i], a.m[i], a.v[i]);
    if (a.copy) a.copy[i].bits = x1::to_bf16(a.p[i]);
  }
}

}  // namespace reference

void adamw(std::span<const AdamWArgs> items) {
  for (const AdamWArgs& args : items)
    NURI_CHECK(
        args.eps >= 1e-12f,
        "AdamW's eps is {}, allowed is 1e-12 or more: smaller values vanish, because subnormal numbers are zero here",
        args.eps);
  run_all(kernels().adamw, reference::adamw, items);
}

}  // namespace nuri
