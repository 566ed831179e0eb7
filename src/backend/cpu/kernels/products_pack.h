// Packing of product operands (kernels/products_pack.cpp), one level.
#pragma once

#include "backend/cpu/products.h"

namespace nuri::cpu::NURI_LEVEL {

void pack_rows(const PackSource& source, Words words, const PackPart& part, uint32_t* out, int64_t stride);
void pack_panels(const PackSource& source, Words words, bool is_b, const PackPart& part, uint32_t* out,
                 int64_t panel_stride);

}  // namespace nuri::cpu::NURI_LEVEL
