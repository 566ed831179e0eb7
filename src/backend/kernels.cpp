#include "backend/kernels.h"

#include "backend/cpu/cpu.h"

namespace nuri {
namespace {
const KernelTable* g_table = nullptr;
}

const KernelTable& kernels() { return g_table ? *g_table : cpu::kernel_table(); }
void set_kernels(const KernelTable* table) { g_table = table; }

}  // namespace nuri
