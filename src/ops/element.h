// Elements of memory whose type is known at run time; for the references.
#pragma once

#include <cstdint>

#include "base/x1.h"
#include "tensor/dtype.h"

namespace nuri::reference {

/// Element i of f32 or bf16 memory, widened.
inline float element(const void* data, DType dtype, int64_t i) {
  return dtype == DType::bf16 ? x1::from_bf16(static_cast<const Bf16*>(data)[i].bits)
                              : static_cast<const float*>(data)[i];
}

}  // namespace nuri::reference
