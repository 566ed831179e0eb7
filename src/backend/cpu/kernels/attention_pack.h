// Packing of attention's operands into words (kernels/attention_pack.cpp), one level.
#pragma once

#include "backend/cpu/attention_kernels.h"

namespace nuri::cpu::NURI_LEVEL {

void pack_rows_of_a(bool bf16, const PackMatrix& m, uint32_t* out, int64_t stride);
void pack_turned(bool bf16, const PackMatrix& m, uint32_t* out);
void pack_straight(bool bf16, const PackMatrix& m, uint32_t* out);

}  // namespace nuri::cpu::NURI_LEVEL
