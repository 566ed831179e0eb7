#include "backend/cpu/cpu.h"

namespace nuri::cpu {

void add_attention(KernelTable&) {}

}  // namespace nuri::cpu
