// AdamW: decoupled weight decay (Loshchilov, Hutter, "Decoupled weight decay regularization", 2019). In FP32, in this
// order:
//   g = grad clip;  m = fma(beta1, m, (1 - beta1) g);  v = fma(beta2, v, ((1 - beta2) g) g)
//   p = p - (lr decay) p;  p = p - lr ((m / bias1) / (sqrt(v / bias2) + eps));  copy = BF16 of p
#pragma once

#include <span>

#include "backend/kernels.h"

namespace nuri {

/// bias_i = 1 - beta^step, step counted from 1: in double, rounded once.
float adamw_bias(double beta, int64_t step);

namespace reference {
/// One element of p, m, v.
template <class T>
void adamw_value(const AdamWArgs& args, T grad, T& p, T& m, T& v);
void adamw(const AdamWArgs& args);
}  // namespace reference

/// The step of several tensors. eps must be at least 1e-12: smaller ones vanish, as subnormals are zero.
void adamw(std::span<const AdamWArgs> items);

}  // namespace nuri
