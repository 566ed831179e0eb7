// Small tools on vectors of attention's kernels, one level: across lanes, pairs, exp of differences.
#pragma once

#include "backend/cpu/attention_kernels.h"
#include "backend/cpu/kernels/lanes.h"
#include "backend/cpu/kernels/simd.h"
#include "backend/cpu/kernels/simd_math.h"

namespace nuri::cpu::NURI_LEVEL {

constexpr int kBlockVectors = static_cast<int>(kBlockKeys) / kWidth;

/// exp(x) for x <= 0 (or NaN), the sequence of base/x1.cpp; without the overflow that cannot happen.
NURI_INLINE F exp_of_nonpositive(F x) {
  const ExpParts p = exp_parts(x);
  const F y = from_bits(bits(p.e) + (p.shifted << 23));
#if defined(__AVX512F__)
  const __m512 v = reinterpret_cast<__m512>(x);
  const __mmask16 normal = _mm512_cmp_ps_mask(v, _mm512_set1_ps(::nuri::x1::constants::kExpMin), _CMP_GE_OQ);
  const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  return reinterpret_cast<F>(_mm512_mask_mov_ps(_mm512_maskz_mov_ps(normal, reinterpret_cast<__m512>(y)), nan, v));
#else
  const U normal = reinterpret_cast<U>(x >= ::nuri::x1::constants::kExpMin), nan = reinterpret_cast<U>(x != x);
  return from_bits((bits(y) & normal) | nan);
#endif
}

/// x rotated down by kHalf lanes.
template <int kHalf, int... kLane>
NURI_INLINE F rotate(F x, Lanes<kLane...>) {
  return __builtin_shufflevector(x, x, ((kLane + kHalf) % kWidth)...);
}

/// Every lane the largest of all.
NURI_INLINE F max_of_lanes(F x) {
  if constexpr (kWidth >= 16) x = max(x, rotate < kWidth >= 16 ? 8 : 1 > (x, AllLanes{}));
  if constexpr (kWidth >= 8) x = max(x, rotate < kWidth >= 8 ? 4 : 1 > (x, AllLanes{}));
  x = max(x, rotate<2>(x, AllLanes{}));
  return max(x, rotate<1>(x, AllLanes{}));
}

/// The sum of a row of 64 by rule 5, from its vectors; in lane 0.
NURI_INLINE float sum_of_block(F* v) {
#pragma GCC unroll 16
  for (int half = kBlockVectors / 2; half >= 1; half /= 2)
#pragma GCC unroll 16
    for (int i = 0; i < half; ++i) v[i] = v[i] + v[i + half];
  F x = v[0];
  if constexpr (kWidth >= 16) x = x + rotate < kWidth >= 16 ? 8 : 1 > (x, AllLanes{});
  if constexpr (kWidth >= 8) x = x + rotate < kWidth >= 8 ? 4 : 1 > (x, AllLanes{});
  x = x + rotate<2>(x, AllLanes{});
  x = x + rotate<1>(x, AllLanes{});
  return x[0];
}

/// 0, 1, 2, ... of the lanes.
template <int... kLane>
NURI_INLINE I lane_numbers(Lanes<kLane...>) {
  return I{kLane...};
}
/// Lanes below n set.
NURI_INLINE I lanes_below(int32_t n) { return lane_numbers(AllLanes{}) < n; }

/// Words along the row from its elements: x, y are 2 kWidth consecutive ones (pair: word i holds elements 2i, 2i + 1).
#if defined(__AVX512BF16__)
NURI_INLINE U pairs_along(F x, F y) {
  const __m512i natural = (__m512i)_mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(y), reinterpret_cast<__m512>(x));
  return reinterpret_cast<U>(_mm512_rol_epi32(natural, 16));
}
/// Word i: element i of `high` in the high half, of `low` in the low half.
NURI_INLINE U pairs_across(F high, F low) {
  alignas(64) static constexpr uint16_t kOrder[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(high), reinterpret_cast<__m512>(low));
  return reinterpret_cast<U>(_mm512_permutexvar_epi16(_mm512_load_si512(kOrder), halves));
}
/// 32 elements of two rows of BF16 as 2 x 16 words, those of `high` in the high halves.
NURI_INLINE void pairs_of_rows(__m512i high, __m512i low, U* words) {
  alignas(64) static constexpr uint16_t kOrder[2][32] = {
      {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
       8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47},
      {16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55,
       24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63}};
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half)
    words[half] = reinterpret_cast<U>(_mm512_permutex2var_epi16(low, _mm512_load_si512(kOrder[half]), high));
}
#endif

}  // namespace nuri::cpu::NURI_LEVEL
