// y = BF16 of x, nearest even (profile x1, rule 4).
#pragma once

#include "backend/kernels.h"
#include "tensor/tensor.h"

namespace nuri {

namespace reference {
void round(const RoundArgs& args);
}  // namespace reference

/// x f32 and y bf16, contiguous, of one size.
void round_bf16(const Tensor& x, const Tensor& y);

}  // namespace nuri
