// y = a + b, the residual stream; and parts of columns.
//   a, b, y [n_tokens, d_model]
//   da = dy, db = dy
#pragma once

#include <vector>

#include "backend/kernels.h"
#include "tensor/tensor.h"

namespace nuri {

namespace reference {
void add(const AddArgs& args);
}  // namespace reference

/// a + b, contiguous tensors of one shape.
Tensor add(const Tensor& a, const Tensor& b);
/// Of an op that makes y = a + b beside what else it does: records the backward of the sum, where there is a tape.
void record_add(uint64_t a, uint64_t b, uint64_t y);

/// The columns of x [n_tokens, d] as views side by side, widths[i] each, d in all: dx = [dy_0 | dy_1 | ...].
std::vector<Tensor> split_columns(const Tensor& x, const std::vector<int64_t>& widths);

}  // namespace nuri
