#include "backend/cpu/kernels/simd.h"
