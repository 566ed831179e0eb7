// DeepSeek-V3's router: which experts a token goes to, with which weights, and the sequence-wise balance loss.
//   logits, scores [n_tokens, E]   experts, weights [n_tokens, K]   (E experts, K active)
//   s = sigmoid(logits);  choice = s + bias
//   group score = sum of the group's two largest choices; the best groups are kept (one group: all);
//   experts = the K largest choices of kept groups, ties by lower id, listed ascending
//   w_e = s_e / (s_0 + s_1 + ... in ascending id + 1e-20) * route_scale     (not normalised: s_e * route_scale)
// Balance loss of one packed row of T tokens, counting the experts really selected (constants for the gradient):
//   f_e = E / (K T) count_e;   L = 1/T sum_t (sum_e f_e s_te) / (sum_e s_te);   mean over the rows of the step
// Backward (u = dL/dw, S = the sum above with 1e-20, C = chain_j u_j s_j, Z = row_sum_j s_j):
//   ds_e = (route_scale / S) (u_e - C / S) for chosen e (not normalised: route_scale u_e), else 0
//   ds_e = ds_e + (b_e - row_sum_j(b_j s_j) / Z) / Z,   b_e = alpha f_e / (rows T)
//   dlogit_e = ds_e (s_e (1 - s_e))
#pragma once

#include <cstdint>
#include <vector>

#include "backend/kernels.h"
#include "tensor/tensor.h"

namespace nuri {

struct RouterOptions {
  int64_t n_experts = 0, n_active = 0;
  int64_t n_groups = 1, n_kept_groups = 1;
  bool normalise = true;
  float route_scale = 1;
  double balance_alpha = 0;  ///< weight of the balance loss in the gradient
};

struct Routing {
  Tensor scores;   ///< [n_tokens, n_experts]
  Tensor experts;  ///< [n_tokens, n_active] i32, ascending
  Tensor weights;  ///< [n_tokens, n_active]
};

namespace reference {
/// One token. experts [n_active] ascending.
template <class T>
void router_row(const RouterOptions& options, const T* logits, const T* bias, T* scores, int32_t* experts, T* weights);
/// balance [n_experts] holds b_e; null: no balance loss.
template <class T>
void router_grad_row(const RouterOptions& options, const T* scores, const int32_t* experts, const T* dweights,
                     const T* balance, T* dlogits);
void router(const RouterArgs& args);
void router_grad(const RouterGradArgs& args);
}  // namespace reference

/// logits [n_tokens, n_experts]; bias f32 [n_experts] or undefined. row_offsets: packed rows, 0 first, n_tokens last
/// (may be empty where neither counts nor the balance loss is wanted). counts (may be null): tokens of each expert are
/// added. balance_loss (may be null): each row's L / n_rows_of_step is added in order; give each layer its own number,
/// so that the number of micro-batches does not show. With a tape, the gradient of weights and that of balance_alpha x
/// balance loss flow into logits.
Routing route(const Tensor& logits, const Tensor& bias, const RouterOptions& options,
              const std::vector<int64_t>& row_offsets, std::vector<int64_t>* counts, double* balance_loss,
              int64_t n_rows_of_step);

}  // namespace nuri
