// y = a + b, the residual stream; and slices of columns.
//   a, b, y [n_tokens, d_model]
//   da = dy, db = dy
#pragma once

#include "backend/kernels.h"
#include "tensor/tensor.h"

namespace nuri {

namespace reference {
void add(const AddArgs& args);
}  // namespace reference

/// a + b, contiguous tensors of one shape.
Tensor add(const Tensor& a, const Tensor& b);

/// Columns [begin, end) of x [n_tokens, d] as a view; the gradient flows into those columns.
Tensor slice_columns(const Tensor& x, int64_t begin, int64_t end);

}  // namespace nuri
