// Packing of product operands (kernels/products_pack.cpp), one level.
#pragma once

#include "backend/cpu/products.h"

namespace nuri::cpu::NURI_LEVEL {

void pack_rows(const PackSource& source, Words words, int64_t first, int64_t count, uint32_t* out, int64_t stride);
void pack_panels(const PackSource& source, Words words, int64_t first, int64_t count, uint32_t* out);

}  // namespace nuri::cpu::NURI_LEVEL
