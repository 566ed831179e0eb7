// Every level brings kernels of its own: no entry of its tables is empty or another level's.
#include <gtest/gtest.h>

#include <vector>

#include "backend/cpu/attention_kernels.h"
#include "backend/cpu/levels.h"
#include "backend/cpu/products.h"
#include "backend/cpu/rows.h"

namespace nuri::cpu {
namespace {

template <class... F>
std::vector<void*> entries(F... f) {
  return {reinterpret_cast<void*>(f)...};
}

// Each list is as long as its struct has pointers: a new entry that is not listed does not compile.
std::vector<void*> entries(const ProductKernels& k) {
  static_assert(sizeof k == 2 * 8 + 3 * sizeof(void*));
  return entries(k.pack_rows, k.pack_panels, k.multiply);
}
std::vector<void*> entries(const AttentionKernels& k) {
  static_assert(sizeof k == 8 + 11 * sizeof(void*));
  EXPECT_EQ(k.attend_latents != nullptr, k.pairs);
  return entries(k.attend, k.merge, k.finish, k.grad, k.product, k.dots, k.pack_rows, k.pack_turned, k.pack_straight,
                 k.split_pairs);
}
std::vector<void*> entries(const NormKernels& k) {
  static_assert(sizeof k == 4 * sizeof(void*));
  return entries(k.rmsnorm, k.rmsnorm_dx, k.rmsnorm_dg, k.square_sum);
}
std::vector<void*> entries(const ElementKernels& k) {
  static_assert(sizeof k == 7 * sizeof(void*));
  return entries(k.add, k.round, k.widen, k.swiglu, k.swiglu_grad, k.rope, k.adamw);
}
std::vector<void*> entries(const MuonKernels& k) {
  static_assert(sizeof k == 3 * sizeof(void*));
  return entries(k.axpby, k.momentum, k.update);
}
std::vector<void*> entries(const MoeKernels& k) {
  static_assert(sizeof k == 5 * sizeof(void*));
  return entries(k.router, k.router_grad, k.combine, k.combine_grad, k.gather_grad);
}
std::vector<void*> entries(const SoftmaxKernels& k) {
  static_assert(sizeof k == 4 * sizeof(void*));
  return entries(k.log_sum_exp, k.sampler_logits, k.weights, k.cross_entropy_grad);
}

template <class Table>
void expect_own_kernels(const Table& portable, const Table& avx2, const Table& avx512, const Table& avx512_bf16) {
  const std::vector<void*> levels[kLevels] = {entries(portable), entries(avx2), entries(avx512), entries(avx512_bf16)};
  for (int a = 0; a < kLevels; ++a)
    for (size_t i = 0; i < levels[a].size(); ++i) {
      EXPECT_NE(levels[a][i], nullptr) << level_name(static_cast<Level>(a)) << ", entry " << i;
      for (int b = 0; b < a; ++b)
        EXPECT_NE(levels[a][i], levels[b][i])
            << level_name(static_cast<Level>(a)) << " runs " << level_name(static_cast<Level>(b)) << " in entry " << i;
    }
}

TEST(LevelTables, EachLevelHasItsOwnKernels) {
#define NURI_EXPECT_OWN(table) expect_own_kernels(portable::table, avx2::table, avx512::table, avx512_bf16::table)
  NURI_EXPECT_OWN(product_kernels);
  NURI_EXPECT_OWN(attention_kernels);
  NURI_EXPECT_OWN(norm_kernels);
  NURI_EXPECT_OWN(element_kernels);
  NURI_EXPECT_OWN(muon_kernels);
  NURI_EXPECT_OWN(moe_kernels);
  NURI_EXPECT_OWN(softmax_kernels);
#undef NURI_EXPECT_OWN
}

}  // namespace
}  // namespace nuri::cpu
