// The sum of squares of a tensor, for global norms (profile x1, rule 10): blocks of 4,096 elements by row_sum in FP32,
// block sums added in double in order.
#pragma once

#include <span>
#include <vector>

#include "backend/kernels.h"
#include "tensor/tensor.h"

namespace nuri {

inline constexpr int64_t kSquareSumBlock = 4096;

namespace reference {
void square_sum(const SquareSumArgs& args);
}  // namespace reference

/// x contiguous f32. 0 in a meta run.
double square_sum(const Tensor& x);
/// Of each tensor.
std::vector<double> square_sums(std::span<const Tensor> tensors);

}  // namespace nuri
