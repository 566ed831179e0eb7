// Muon's parts: Nesterov momentum, orthogonalisation by Newton-Schulz iteration, update (K. Jordan, "Muon: an optimizer
// for hidden layers in neural networks", 2024; the scale 0.2 sqrt(max(rows, cols)), which gives an update the RMS of
// AdamW's, and the decay: Liu et al., "Muon is scalable for LLM training", 2025). All in FP32, in this order:
//   g = grad clip;  m = fma(mu, m, (1 - mu) g);  u = fma(mu, m, (1 - mu) g)
//   X = u / (norm(u) + 1e-7), turned where it has more rows than columns; five times:
//     A = X X^T;  B = -4.7750 A + 2.0315 A A;  X = 3.4445 X + B X
//   p = p - (lr decay) p;  p = p - (lr 0.2 sqrt(max(rows, cols))) X;  copy = BF16 of p
// The products are FP32 chains (profile x1, rule 3), B = fma(2.0315, (A A), -4.7750 A), and the chain of B X goes on
// from 3.4445 X. A is symmetric to the bit, so that turning a matrix turns its result and changes nothing else.
#pragma once

#include "backend/kernels.h"
#include "tensor/tensor.h"

namespace nuri {

inline constexpr int kNewtonSchulzSteps = 5;
inline constexpr float kNewtonSchulz[3] = {3.4445f, -4.7750f, 2.0315f};  ///< of X, X X^T X, (X X^T)^2 X

namespace reference {
void muon_momentum(const MuonMomentumArgs& args);
void muon_update(const MuonUpdateArgs& args);
/// One element. T = float: the definition; T = double: the accuracy check.
template <class T>
void muon_momentum_value(T momentum, T clip, T grad, T& m, T& u);
template <class T>
void muon_update_value(T lr_decay, T rate, T u, T& p);
/// x [rows, cols] in place.
template <class T>
void orthogonalise(int64_t rows, int64_t cols, T* x, int steps = kNewtonSchulzSteps);
}  // namespace reference

void muon_momentum(const MuonMomentumArgs& args);
void muon_update(const MuonUpdateArgs& args);

/// x [count, rows, cols] f32, contiguous: each matrix is orthogonalised in place: its singular values come to lie
/// between about 0.7 and 1.2 (those below about 1e-3 of the norm, lower). A matrix of zeros stays one. Takes scratch
/// for one more x and for two [count, k, k] with k = min(rows, cols).
void orthogonalise(const Tensor& x);

}  // namespace nuri
