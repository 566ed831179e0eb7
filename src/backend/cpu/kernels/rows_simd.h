// Loops over rows of one level: whole vectors, then the part of one; and the row sum of profile x1, rule 5.
#pragma once

#include "backend/cpu/kernels/simd.h"
#include "backend/cpu/rows.h"

namespace nuri::cpu::NURI_LEVEL {

/// `count` is kWidth or the number of elements that are left of a row.
NURI_INLINE F load_some(const float* p, int64_t count) {
  return count == kWidth ? load(p) : load_partial(p, static_cast<int>(count));
}
NURI_INLINE void store_some(float* p, F v, int64_t count) {
  if (count == kWidth)
    store(p, v);
  else
    store_partial(p, v, static_cast<int>(count));
}

/// BF16 of the first `count` lanes.
NURI_INLINE void store_bf16(uint16_t* p, F v, int64_t count) {
#if defined(__AVX512BF16__)
  // The instruction rounds as rule 4 says, apart from the payload of a NaN.
  const __m512 x = reinterpret_cast<__m512>(v);
  const __m256i rounded = (__m256i)_mm512_cvtneps_pbh(x);
  const H half = (H)_mm256_mask_blend_epi16(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), rounded, _mm256_set1_epi16(0x7FC0));
#else
  const H half = halves_of(round_bf16_bits(v) >> 16);
#endif
  store_halves(p, half, count);
}

/// Where a result goes: FP32, or BF16.
struct ToFloats {
  float* to;
  [[gnu::always_inline]] void operator()(int64_t i, F v, int64_t count) const { store_some(to + i, v, count); }
};
struct ToBf16 {
  uint16_t* to;
  [[gnu::always_inline]] void operator()(int64_t i, F v, int64_t count) const { store_bf16(to + i, v, count); }
};

/// body(i, count) for i = 0, kWidth, ...; count is kWidth but for the last.
template <class Body>
NURI_INLINE void for_vectors(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) body(i, static_cast<int64_t>(kWidth));
  if (i < n) body(i, n - i);
}

NURI_INLINE I lanes_below(int64_t n) {
  I lane;
  for (int i = 0; i < kWidth; ++i) lane[i] = i;
  return lane < static_cast<int32_t>(n);
}

/// Sum over i < n of what term(i, count) gives for elements i .. i + count (its other lanes are not used).
template <class Term>
NURI_INLINE float row_sum(int64_t n, Term term) {
  LaneSum sum = LaneSum::zero();
  int64_t i = 0;
  for (; i + 64 <= n; i += 64)
    for (int v = 0; v < LaneSum::kVectors; ++v)
      sum.lane[v] = sum.lane[v] + term(i + v * kWidth, static_cast<int64_t>(kWidth));
  for (int v = 0; i < n; ++v, i += kWidth) {
    if (n - i >= kWidth)
      sum.lane[v] = sum.lane[v] + term(i, static_cast<int64_t>(kWidth));
    else
      sum.lane[v] = select(lanes_below(n - i), sum.lane[v] + term(i, n - i), sum.lane[v]);
  }
  return sum.total();
}

}  // namespace nuri::cpu::NURI_LEVEL
