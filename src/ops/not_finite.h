// NaN and Inf in a tensor: what files must not bring in, and what stops a training run.
#pragma once

#include "tensor/tensor.h"

namespace nuri {

/// Index (row-major) of the first element that is NaN or Inf; -1 where there is none, and for integer types.
int64_t find_not_finite(const Tensor& x);

}  // namespace nuri
