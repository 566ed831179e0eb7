// The backward kernels of attention (kernels/attention_grad.cpp), one level.
#pragma once

#include "backend/cpu/attention_kernels.h"

namespace nuri::cpu::NURI_LEVEL {

void grad(const GradTile& tile);
void dots(const RowDots& rows);

}  // namespace nuri::cpu::NURI_LEVEL
