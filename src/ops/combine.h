// Tokens to experts and back: the order of slots, and the weighted sum of what the experts return.
//   A slot is one (token, chosen expert); slots are sorted by expert, then token.  n_slots = n_tokens * K
//   f [n_slots, d]   weights [n_tokens, K]   shared, y [n_tokens, d]
//   y[t] = shared[t] (+0 without);  y[t] = fma(weights[t,j], f[slot(t,j)], y[t]), j (experts) ascending;
//   y[t] = residual[t] + y[t] where there is one
//   dshared = dresidual = dy;  df[slot(t,j)] = weights[t,j] dy[t];  dweights[t,j] = row_sum(dy[t] f[slot(t,j)])
// The backward of the gather xs[s] = x[token_of_slot[s]]:
//   dx[t] = dxs[slot(t,0)] + dxs[slot(t,1)] + ... in that order
#pragma once

#include <cstdint>
#include <vector>

#include "backend/kernels.h"
#include "tensor/tensor.h"

namespace nuri {

struct Dispatch {
  std::vector<int32_t> token_of_slot;  ///< [n_slots]
  std::vector<int32_t> slots;          ///< [n_tokens * K]: slot of (token, j)
  std::vector<int64_t> offsets;        ///< [n_experts + 1]: slots of expert e are [offsets[e], offsets[e + 1])
};

/// experts [n_tokens, K] i32. A meta run spreads the tokens evenly: token t goes to experts (t K + j) mod n_experts.
Dispatch dispatch(const Tensor& experts, int64_t n_experts);

namespace reference {
template <class T>
void combine_row(int64_t d, int64_t n_active, const T* shared, const T* f, const int32_t* slots, const T* weights,
                 T* y);
template <class T>
void combine_grad_row(int64_t d, int64_t n_active, const T* f, const int32_t* slots, const T* weights, const T* dy,
                      T* df, T* dweights);
void combine(const CombineArgs& args);
void combine_grad(const CombineGradArgs& args);
void gather_grad(const GatherGradArgs& args);
}  // namespace reference

/// shared may be undefined (no shared expert), residual too. f was made by a product of this precision: its gradient is
/// BF16 where that would round it.
Tensor combine(const Tensor& shared, const Tensor& f, const Tensor& weights, const Dispatch& dispatch,
               Precision precision, const Tensor& residual = {});

/// dxs [n_slots, d] -> dx [n_tokens, d].
Tensor gather_grad(const Tensor& dxs, const Dispatch& dispatch, int64_t n_active);

}  // namespace nuri
