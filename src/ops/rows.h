// Moving rows and columns: the inputs of multi-token prediction.
#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace nuri {

/// y[i,:] = x[index[i],:], each row at most once. The gradient of rows not taken is zero.
Tensor take_rows(const Tensor& x, std::vector<int32_t> index);

/// y = [a | b]: columns of a first. a [n, da], b [n, db], y [n, da + db].
Tensor concat_columns(const Tensor& a, const Tensor& b);

}  // namespace nuri
