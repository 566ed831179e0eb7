#include "backend/cpu/attention_scratch.h"

namespace nuri::cpu {

const AttentionKernels& attention_level() {
  return pick(portable::attention_kernels, avx2::attention_kernels, avx512::attention_kernels,
              avx512_bf16::attention_kernels);
}

}  // namespace nuri::cpu
