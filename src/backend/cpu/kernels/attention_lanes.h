// Small tools on vectors of attention's kernels, one level: across lanes, pairs, exp of differences.
#pragma once

#include "backend/cpu/attention_kernels.h"
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

template <int... kLane>
struct LaneList {};
template <int kN, int... kLane>
struct MakeLaneList : MakeLaneList<kN - 1, kN - 1, kLane...> {};
template <int... kLane>
struct MakeLaneList<0, kLane...> {
  typedef LaneList<kLane...> type;
};
typedef MakeLaneList<kWidth>::type EveryLane;

/// x rotated down by kHalf lanes.
template <int kHalf, int... kLane>
NURI_INLINE F rotate(F x, LaneList<kLane...>) {
  return __builtin_shufflevector(x, x, ((kLane + kHalf) % kWidth)...);
}

/// Every lane the largest of all.
NURI_INLINE F max_of_lanes(F x) {
  if constexpr (kWidth >= 16) x = max(x, rotate < kWidth >= 16 ? 8 : 1 > (x, EveryLane{}));
  if constexpr (kWidth >= 8) x = max(x, rotate < kWidth >= 8 ? 4 : 1 > (x, EveryLane{}));
  x = max(x, rotate<2>(x, EveryLane{}));
  return max(x, rotate<1>(x, EveryLane{}));
}

/// The sum of a row of 64 by rule 5, from its vectors; in lane 0.
NURI_INLINE float sum_of_block(F* v) {
#pragma GCC unroll 16
  for (int half = kBlockVectors / 2; half >= 1; half /= 2)
#pragma GCC unroll 16
    for (int i = 0; i < half; ++i) v[i] = v[i] + v[i + half];
  F x = v[0];
  if constexpr (kWidth >= 16) x = x + rotate < kWidth >= 16 ? 8 : 1 > (x, EveryLane{});
  if constexpr (kWidth >= 8) x = x + rotate < kWidth >= 8 ? 4 : 1 > (x, EveryLane{});
  x = x + rotate<2>(x, EveryLane{});
  x = x + rotate<1>(x, EveryLane{});
  return x[0];
}

/// 0, 1, 2, ... of the lanes.
template <int... kLane>
NURI_INLINE I lane_numbers(LaneList<kLane...>) {
  return I{kLane...};
}
/// Lanes below n set.
NURI_INLINE I lanes_below(int32_t n) { return lane_numbers(EveryLane{}) < n; }

// v[i][j] <-> v[j][i] of kWidth x kWidth words.
#if defined(__AVX512F__)
NURI_INLINE __m512i low32(__m512i a, __m512i b) { return _mm512_unpacklo_epi32(a, b); }
NURI_INLINE __m512i high32(__m512i a, __m512i b) { return _mm512_unpackhi_epi32(a, b); }
NURI_INLINE __m512i low64(__m512i a, __m512i b) { return _mm512_unpacklo_epi64(a, b); }
NURI_INLINE __m512i high64(__m512i a, __m512i b) { return _mm512_unpackhi_epi64(a, b); }

/// v[i][j] <-> v[j][i] of 16 x 16 words: in 4 x 4 corners of each quarter, then quarters by rows of four.
NURI_INLINE void transpose(U* u) {
  __m512i v[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) v[i] = reinterpret_cast<__m512i>(u[i]);
  __m512i t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 4) {
    const __m512i a = low32(v[i], v[i + 1]), b = high32(v[i], v[i + 1]);
    const __m512i c = low32(v[i + 2], v[i + 3]), d = high32(v[i + 2], v[i + 3]);
    t[i] = low64(a, c), t[i + 1] = high64(a, c), t[i + 2] = low64(b, d), t[i + 3] = high64(b, d);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 4; ++i) {  // t[4 q + i]: column 4 l + i of rows 4 q .. 4 q + 3, in quarter l
    const __m512i even_low = _mm512_shuffle_i32x4(t[i], t[4 + i], 0x88),
                  odd_low = _mm512_shuffle_i32x4(t[i], t[4 + i], 0xDD);
    const __m512i even_high = _mm512_shuffle_i32x4(t[8 + i], t[12 + i], 0x88);
    const __m512i odd_high = _mm512_shuffle_i32x4(t[8 + i], t[12 + i], 0xDD);
    v[i] = _mm512_shuffle_i32x4(even_low, even_high, 0x88);
    v[8 + i] = _mm512_shuffle_i32x4(even_low, even_high, 0xDD);
    v[4 + i] = _mm512_shuffle_i32x4(odd_low, odd_high, 0x88);
    v[12 + i] = _mm512_shuffle_i32x4(odd_low, odd_high, 0xDD);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) u[i] = reinterpret_cast<U>(v[i]);
}
#else
/// Blocks of kHalf x kHalf words off the diagonal change places.
template <int kHalf, int... kLane>
NURI_INLINE void swap_blocks(U* v, LaneList<kLane...>) {
#pragma GCC unroll 16
  for (int i = 0; i < kWidth; ++i) {
    if (i & kHalf) continue;
    const U x = v[i], y = v[i + kHalf];
    v[i] = __builtin_shufflevector(x, y, ((kLane & kHalf) ? kWidth + kLane - kHalf : kLane)...);
    v[i + kHalf] = __builtin_shufflevector(x, y, ((kLane & kHalf) ? kWidth + kLane : kLane + kHalf)...);
  }
}
NURI_INLINE void transpose(U* v) {
  if constexpr (kWidth >= 8) swap_blocks<kWidth >= 8 ? 4 : 1>(v, EveryLane{});
  swap_blocks<2>(v, EveryLane{});
  swap_blocks<1>(v, EveryLane{});
}
#endif

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
#endif

}  // namespace nuri::cpu::NURI_LEVEL
