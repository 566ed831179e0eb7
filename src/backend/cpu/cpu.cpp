#include "backend/cpu/cpu.h"

namespace nuri::cpu {

const KernelTable& kernel_table() {
  static const KernelTable table = [] {
    KernelTable t{.chip = "cpu"};
    add_products(t);
    add_attention(t);
    add_rows(t);
    add_muon(t);
    return t;
  }();
  return table;
}

}  // namespace nuri::cpu
