// Packing of attention's operands into pairs (kernels/attention_pack.cpp), for the level that has them.
#pragma once

#include "backend/cpu/attention_kernels.h"

namespace nuri::cpu::NURI_LEVEL {

void pack_pair_rows(const PackMatrix& m, uint32_t* out, int64_t stride);
void pack_pairs_turned(const PackMatrix& m, uint32_t* out);
void pack_pairs_straight(const PackMatrix& m, uint32_t* out);

}  // namespace nuri::cpu::NURI_LEVEL
