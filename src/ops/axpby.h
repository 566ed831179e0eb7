// out = fma(b, y, a x), or a x without y: scaling, and the weighted sums of Muon and of weights' averages.
#pragma once

#include "backend/kernels.h"

namespace nuri {

namespace reference {
void axpby(const AxpbyArgs& args);
}  // namespace reference

void axpby(const AxpbyArgs& args);

}  // namespace nuri
