// The CPU as a chip: its kernel table, and one part of the table per group of kernels.
#pragma once

#include "backend/kernels.h"

namespace nuri::cpu {

const KernelTable& kernel_table();

// Each group fills in its entries; cpu.cpp calls them in this order.
void add_products(KernelTable& table);   // products.cpp
void add_attention(KernelTable& table);  // attention.cpp
void add_rows(KernelTable& table);       // rows.cpp: norms, rope, embedding, activations, router, softmax, AdamW
void add_muon(KernelTable& table);       // muon.cpp

}  // namespace nuri::cpu
