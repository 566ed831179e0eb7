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

typedef uint16_t H __attribute__((vector_size(kWidth * 2)));
typedef uint16_t HUnaligned __attribute__((vector_size(kWidth * 2), aligned(2), may_alias));

/// BF16 of v: `count` elements, as above.
NURI_INLINE void store_bf16(uint16_t* p, F v, int64_t count) {
  const H half = __builtin_convertvector(round_bf16_bits(v) >> 16, H);
  if (count == kWidth)
    *reinterpret_cast<HUnaligned*>(p) = half;
  else
    for (int64_t i = 0; i < count; ++i) p[i] = half[i];
}

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
