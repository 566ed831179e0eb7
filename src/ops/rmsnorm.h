// RMSNorm: each row divided by its root mean square, times a gain.
//   x, y [n_tokens, d]   g [d]   r [n_tokens]
//   r[t]    = 1 / sqrt(row_sum_i(x[t,i]^2) / d + eps)           y[t,i] = (x[t,i] r[t]) g[i]
//   dx[t,i] = r (g[i] dy[t,i] - c x[t,i]),  c = r^2 row_sum_j((g[j] dy[t,j]) x[t,j]) / d
//   dg[i]   = chain over t of dy[t,i] * (x[t,i] r[t]), continued from what is there
// In the residual stream x = a + b is made in the same pass.
#pragma once

#include "autograd/weight.h"
#include "backend/kernels.h"
#include "tensor/tensor.h"

namespace nuri {

namespace reference {
/// Writes y [d] of one row and returns its r.
template <class T>
T rmsnorm_row(int64_t d, const T* x, const T* g, T eps, T* y);
/// Writes dx [d] of one row, or adds to it.
template <class T>
void rmsnorm_grad_row(int64_t d, const T* x, const T* g, T r, const T* dy, T* dx, bool accumulate);
/// One row's links of the chains dg [d].
template <class T>
void rmsnorm_gain_grad_row(int64_t d, const T* x, T r, const T* dy, T* dg);

void rmsnorm(const RmsNormArgs& args);
void rmsnorm_grad(const RmsNormGradArgs& args);
}  // namespace reference

/// x [n_tokens, d] may be a slice of columns; g [d]. The result is contiguous.
Tensor rmsnorm(const Tensor& x, Weight& g, float eps);
/// y for products of this precision alone: BF16 where they would round it.
Tensor rmsnorm_for_product(const Tensor& x, Weight& g, float eps, Precision precision);
/// y as it is, and for products of this precision; one value on the tape.
struct Normed {
  Tensor exact, rounded;
};
Normed rmsnorm_both(const Tensor& x, Weight& g, float eps, Precision precision);
/// add(a, b) and its norm, to the bit, in one pass over memory: `rounded` as rmsnorm_for_product, with `exact` both as
/// rmsnorm_both.
struct NormedSum {
  Tensor sum;
  Normed normed;
};
NormedSum add_rmsnorm(const Tensor& a, const Tensor& b, Weight& g, float eps, Precision precision, bool exact);

}  // namespace nuri
