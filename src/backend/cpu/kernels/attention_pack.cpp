// Packing of attention's operands into words. Where a level has pairs, they are made by the conversion instruction,
// which rounds as profile x1 does (nearest even, subnormals to signed zero).
#include "backend/cpu/kernels/attention_pack.h"

#include "backend/cpu/kernels/attention_tiles.h"

namespace nuri::cpu::NURI_LEVEL {
namespace {

// ------------------------------------------------------------------------------------------- kWidth words of one row

#if defined(__AVX512BF16__)
/// Pairs at .. at + 16 of a row of n elements; what lies past its end is +0 and not read.
template <bool kFromBf16>
NURI_INLINE U pairs_of_row(const void* row, int64_t at, int64_t n) {
  const __mmask32 mask = first_elements(n - 2 * at);
  if constexpr (kFromBf16) {
    const __m512i natural = _mm512_maskz_loadu_epi16(mask, static_cast<const uint16_t*>(row) + 2 * at);
    return reinterpret_cast<U>(_mm512_rol_epi32(natural, 16));
  } else {
    const float* p = static_cast<const float*>(row) + 2 * at;
    const __m512 x = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p);
    const __m512 y = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), p + 16);
    return pairs_along(reinterpret_cast<F>(x), reinterpret_cast<F>(y));
  }
}
#endif

template <Word kWord, bool kFromBf16>
NURI_INLINE U words_of_row(const void* row, int64_t at, int64_t n) {
#if defined(__AVX512BF16__)
  if constexpr (kWord == Word::pair) return pairs_of_row<kFromBf16>(row, at, n);
#endif
  const F x = elements_of_row<kFromBf16>(row, at, n);
  return kWord == Word::rounded && !kFromBf16 ? round_bf16_bits(x) : bits(x);
}

// ------------------------------------------------------------------------------------------------ v[i][j] <-> v[j][i]

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

// ------------------------------------------------------------------------------------------------------------- packing

constexpr uint32_t kMinusZeroLow = 0x8000u;  // as the missing half of a pair of B

template <Word kWord>
constexpr int64_t depth_of(int64_t k) {
  return kWord == Word::pair ? (k + 1) / 2 : k;
}

template <Word kWord, bool kFromBf16>
void rows_of(const PackMatrix& m, uint32_t* out, int64_t stride) {
  for (int64_t r = 0; r < m.rows; ++r)
    for (int64_t at = 0; at < depth_of<kWord>(m.columns); at += kWidth)
      store_u32(out + r * stride + at, words_of_row<kWord, kFromBf16>(row_of(m, r), at, m.columns));
}

template <Word kWord, bool kFromBf16>
void turned_of(const PackMatrix& m, uint32_t* out, int64_t) {
  const int64_t depth = depth_of<kWord>(m.columns);
  for (int64_t panel = 0; panel < m.rows; panel += kPanel, out += depth * kPanel) {
    for (int part = 0; part < kPanel; part += kWidth) {
      const int64_t first = panel + part, rows = m.rows - first;
      for (int64_t at = 0; at < depth; at += kWidth) {
        U v[kWidth];
#pragma GCC unroll 16
        for (int i = 0; i < kWidth; ++i)  // a row that is not there has no columns
          v[i] = words_of_row<kWord, kFromBf16>(row_of(m, i < rows ? first + i : 0), at, i < rows ? m.columns : 0);
        transpose(v);
#pragma GCC unroll 16
        for (int i = 0; i < kWidth; ++i)
          if (at + i < depth) store_u32(out + (at + i) * kPanel + part, v[i]);
      }
    }
    if (kWord == Word::pair && (m.columns & 1))
      for (int64_t i = 0; i < kPanel; ++i) out[(depth - 1) * kPanel + i] |= kMinusZeroLow;
  }
}

template <Word kWord, bool kFromBf16>
void straight_of(const PackMatrix& m, uint32_t* out, int64_t) {
  const int64_t depth = depth_of<kWord>(m.rows);
  for (int64_t p = 0; p < depth; ++p) {
    for (int64_t at = 0; at < m.columns; at += kWidth) {
      uint32_t* to = out + at / kPanel * kPanel * depth + p * kPanel + at % kPanel;
#if defined(__AVX512BF16__)
      if constexpr (kWord == Word::pair) {
        const F even = elements_of_row<kFromBf16>(row_of(m, 2 * p), at, m.columns);
        const F odd =
            2 * p + 1 < m.rows ? elements_of_row<kFromBf16>(row_of(m, 2 * p + 1), at, m.columns) : set1(-0.0f);
        store_u32(to, kFromBf16 ? bits(even) | (bits(odd) >> 16) : pairs_across(even, odd));
        continue;
      }
#endif
      store_u32(to, words_of_row<kWord, kFromBf16>(row_of(m, p), at, m.columns));
    }
    // The rest of the last panel; narrow vectors may have left some of it.
    for (int64_t at = (m.columns + kWidth - 1) / kWidth * kWidth; at % kPanel != 0; at += kWidth)
      store_u32(out + at / kPanel * kPanel * depth + p * kPanel + at % kPanel, U{});
  }
}

typedef void (*Pack)(const PackMatrix&, uint32_t*, int64_t);
NURI_INLINE Pack choose(bool bf16, bool from_bf16, Pack floats, Pack words, Pack words_from_bf16) {
  return !bf16 ? floats : from_bf16 ? words_from_bf16 : words;
}

}  // namespace

void pack_rows_of_a(bool bf16, const PackMatrix& m, uint32_t* out, int64_t stride) {
  choose(bf16, m.bf16, rows_of<Word::fp32, false>, rows_of<kBf16Word, false>, rows_of<kBf16Word, true>)(m, out, stride);
}
void pack_turned(bool bf16, const PackMatrix& m, uint32_t* out) {
  choose(bf16, m.bf16, turned_of<Word::fp32, false>, turned_of<kBf16Word, false>, turned_of<kBf16Word, true>)(m, out,
                                                                                                              0);
}
void pack_straight(bool bf16, const PackMatrix& m, uint32_t* out) {
  choose(bf16, m.bf16, straight_of<Word::fp32, false>, straight_of<kBf16Word, false>, straight_of<kBf16Word, true>)(
      m, out, 0);
}

void split_pairs(const uint32_t* pairs, int64_t panels, int64_t depth, uint32_t* out) {
  const U high = U{} + 0xFFFF0000u;
  for (int64_t panel = 0; panel < panels; ++panel)
    for (int64_t e = 0; e < depth; e += 2, pairs += kPanel)
      for (int64_t i = 0; i < kPanel; i += kWidth) {
        const U pair = load_u32(pairs + i);
        uint32_t* to = out + (panel * depth + e) * kPanel + i;
        store_u32(to, pair & high);
        if (e + 1 < depth) store_u32(to + kPanel, pair << 16);
      }
}

}  // namespace nuri::cpu::NURI_LEVEL
