// Shuffles of lanes for every width, one level: lists of lane numbers, and what is written with them.
#pragma once

#include "backend/cpu/kernels/simd.h"

namespace nuri::cpu::NURI_LEVEL {

template <int... kLane>
struct Lanes {};
template <int kN, int... kLane>
struct MakeLanes : MakeLanes<kN - 1, kN - 1, kLane...> {};
template <int... kLane>
struct MakeLanes<0, kLane...> {
  typedef Lanes<kLane...> type;
};
/// 0, 1, ..., kWidth - 1.
typedef MakeLanes<kWidth>::type AllLanes;

/// Elements kParity, kParity + 2, ... of the 2 kWidth elements x, y.
template <int kParity, int... kLane>
NURI_INLINE F every_other(F x, F y, Lanes<kLane...>) {
  return __builtin_shufflevector(x, y, (2 * kLane + kParity)...);
}

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
NURI_INLINE void swap_blocks(U* v, Lanes<kLane...>) {
#pragma GCC unroll 16
  for (int i = 0; i < kWidth; ++i) {
    if (i & kHalf) continue;
    const U x = v[i], y = v[i + kHalf];
    v[i] = __builtin_shufflevector(x, y, ((kLane & kHalf) ? kWidth + kLane - kHalf : kLane)...);
    v[i + kHalf] = __builtin_shufflevector(x, y, ((kLane & kHalf) ? kWidth + kLane : kLane + kHalf)...);
  }
}
NURI_INLINE void transpose(U* v) {
  if constexpr (kWidth >= 8) swap_blocks<kWidth >= 8 ? 4 : 1>(v, AllLanes{});
  swap_blocks<2>(v, AllLanes{});
  swap_blocks<1>(v, AllLanes{});
}
#endif

}  // namespace nuri::cpu::NURI_LEVEL
