// y = x W^T, one product or one per expert.
//   x [n_tokens, in]   W [out, in]   y [n_tokens, out]
//   dx = dy W          dW += dy^T x: one chain over the tokens in order, continued over micro-batches (rule 9)
#pragma once

#include <span>
#include <vector>

#include "autograd/weight.h"
#include "ops/combine.h"
#include "tensor/tensor.h"

namespace nuri {

/// x may be a column slice. The gradient of W goes into W.grads[use]. again: y may be made again instead of being kept,
/// where the tape recomputes.
Tensor linear(const Tensor& x, Weight& w, Precision precision, int use = 0, bool again = false);

/// Expert e multiplies its own rows: y [n_slots, out], sorted by expert as in `dispatch`.
/// gather: x is [n_tokens, in] and slot s reads row token_of_slot[s]; else x is [n_slots, in].
Tensor grouped_linear(const Tensor& x, std::span<Weight* const> experts, const Dispatch& dispatch, bool gather,
                      Precision precision);

/// Of a layer that serves: `linear` of shared and `grouped_linear` of x in one call, where a thread that reads experts
/// of few tokens and one that multiplies for all of them get along. REQUIRES: no tape.
struct SharedAndRouted {
  Tensor shared, routed;
};
SharedAndRouted linear_beside(const Tensor& shared, Weight& w, const Tensor& x, std::span<Weight* const> experts,
                              const Dispatch& dispatch, bool gather, Precision precision);

/// Products per head, for the absorbed form of MLA. Head h multiplies with rows
/// [h * head_rows + begin, h * head_rows + end) of W [n_heads * head_rows, rank]:
///   into_rank:  y[t,h,:rank] = x[t, h*x_head : +width] W_h            (W_UK folded into the query)
///   else:       y[t,h,:width] = x[t, h*x_head : +rank] W_h^T          (W_UV applied to the attended latent)
/// with width = end - begin; x [n_tokens, n_heads * x_head]; y [n_tokens, n_heads * y_head]; columns of y past the
/// product are copied from x's columns past the width (the rotated part of the query), y_head - rank = x_head - width
/// of them.
struct HeadProduct {
  int64_t n_heads = 0, head_rows = 0, begin = 0, end = 0, x_head = 0;
  bool into_rank = true;
};
Tensor head_linear(const Tensor& x, Weight& w, const HeadProduct& heads, Precision precision);

}  // namespace nuri
