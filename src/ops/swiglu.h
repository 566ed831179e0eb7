// SwiGLU: the gated activation of the feed-forward layers.
//   gu [n_tokens, 2 d]: gate, up   h [n_tokens, d]
//   h     = (gate sigmoid(gate)) up
//   dup   = dh (gate sigmoid(gate))
//   dgate = (dh up) (s + (gate s) (1 - s)),  s = sigmoid(gate)
#pragma once

#include "backend/kernels.h"
#include "tensor/tensor.h"

namespace nuri {

namespace reference {
template <class T>
T swiglu_value(T gate, T up);
template <class T>
void swiglu_grad_value(T gate, T up, T dh, T& dgate, T& dup);
void swiglu(const SwigluArgs& args);
void swiglu_grad(const SwigluGradArgs& args);
}  // namespace reference

/// gu [n_tokens, 2 d], contiguous, made by a product -> [n_tokens, d], for a product: h and dgu are BF16 where products
/// of this precision would round them.
Tensor swiglu(const Tensor& gu, Precision precision);

}  // namespace nuri
