// Packing into pairs by the conversion instruction, which rounds as profile x1 does (nearest even, subnormals to signed
// zero). Decode reads each key once, so that packing is most of its work; levels without pairs use products_pack.cpp.
#include "backend/cpu/kernels/attention_pack.h"
#include "backend/cpu/kernels/attention_tiles.h"

namespace nuri::cpu::NURI_LEVEL {

#if defined(__AVX512BF16__)
namespace {

constexpr uint32_t kMinusZeroLow = 0x8000u;  // times +0 it is -0, which adds nothing to any sum

NURI_INLINE __mmask32 first_elements(int64_t n) {
  return n >= 32 ? ~__mmask32{0} : n > 0 ? (__mmask32{1} << n) - 1 : __mmask32{0};
}

/// Words at .. at + 16 of a row, of the elements in the mask; the others are +0 and not read.
template <bool kBf16>
NURI_INLINE U words_of_row(const void* row, int64_t at, __mmask32 mask) {
  if constexpr (kBf16) {
    const __m512i natural = _mm512_maskz_loadu_epi16(mask, static_cast<const uint16_t*>(row) + 2 * at);
    return reinterpret_cast<U>(_mm512_rol_epi32(natural, 16));
  } else {
    const float* p = static_cast<const float*>(row) + 2 * at;
    const __m512 x = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p);
    const __m512 y = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), p + 16);
    return pairs_along(reinterpret_cast<F>(x), reinterpret_cast<F>(y));
  }
}

NURI_INLINE const void* row_of(const PackMatrix& m, int64_t row) {
  return static_cast<const char*>(m.data) + row * m.stride * (m.bf16 ? 2 : 4);
}

template <bool kBf16>
void rows_of(const PackMatrix& m, uint32_t* out, int64_t stride) {
  for (int64_t r = 0; r < m.rows; ++r)
    for (int64_t at = 0; 2 * at < m.columns; at += 16)
      store_u32(out + r * stride + at, words_of_row<kBf16>(row_of(m, r), at, first_elements(m.columns - 2 * at)));
}

NURI_INLINE __m512i low32(__m512i a, __m512i b) { return _mm512_unpacklo_epi32(a, b); }
NURI_INLINE __m512i high32(__m512i a, __m512i b) { return _mm512_unpackhi_epi32(a, b); }
NURI_INLINE __m512i low64(__m512i a, __m512i b) { return _mm512_unpacklo_epi64(a, b); }
NURI_INLINE __m512i high64(__m512i a, __m512i b) { return _mm512_unpackhi_epi64(a, b); }

/// v[i][j] <-> v[j][i] of 16 x 16 words: in 4 x 4 corners of each quarter, then quarters by rows of four.
NURI_INLINE void transpose(__m512i* v) {
  __m512i t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 4) {
    const __m512i a = low32(v[i], v[i + 1]), b = high32(v[i], v[i + 1]);
    const __m512i c = low32(v[i + 2], v[i + 3]), d = high32(v[i + 2], v[i + 3]);
    t[i] = low64(a, c), t[i + 1] = high64(a, c), t[i + 2] = low64(b, d), t[i + 3] = high64(b, d);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 4; ++i) {  // t[4 q + i]: column 4 l + i of rows 4 q .. 4 q + 3, in quarter l
    const __m512i even_low = _mm512_shuffle_i32x4(t[i], t[4 + i], 0x88), odd_low = _mm512_shuffle_i32x4(t[i], t[4 + i], 0xDD);
    const __m512i even_high = _mm512_shuffle_i32x4(t[8 + i], t[12 + i], 0x88);
    const __m512i odd_high = _mm512_shuffle_i32x4(t[8 + i], t[12 + i], 0xDD);
    v[i] = _mm512_shuffle_i32x4(even_low, even_high, 0x88);
    v[8 + i] = _mm512_shuffle_i32x4(even_low, even_high, 0xDD);
    v[4 + i] = _mm512_shuffle_i32x4(odd_low, odd_high, 0x88);
    v[12 + i] = _mm512_shuffle_i32x4(odd_low, odd_high, 0xDD);
  }
}

template <bool kBf16>
void turned_of(const PackMatrix& m, uint32_t* out) {
  const int64_t depth = (m.columns + 1) / 2;
  for (int64_t first = 0; first < m.rows; first += kPanel, out += depth * kPanel) {
    const int64_t rows = m.rows - first < kPanel ? m.rows - first : kPanel;
    for (int64_t at = 0; at < depth; at += 16) {
      const __mmask32 mask = first_elements(m.columns - 2 * at);
      __m512i v[16];
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i)
        v[i] = reinterpret_cast<__m512i>(
            words_of_row<kBf16>(row_of(m, i < rows ? first + i : first), at, i < rows ? mask : __mmask32{0}));
      transpose(v);
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i)
        if (at + i < depth) _mm512_storeu_si512(out + (at + i) * kPanel, v[i]);
    }
    if (m.columns & 1) {
      uint32_t* last = out + (depth - 1) * kPanel;
      store_u32(last, load_u32(last) | kMinusZeroLow);
    }
  }
}

/// Elements at .. at + 16 of a row as FP32.
template <bool kBf16>
NURI_INLINE __m512 elements_of_row(const void* row, int64_t at, __mmask16 mask) {
  if constexpr (kBf16) {
    const __m256i half = _mm256_maskz_loadu_epi16(mask, static_cast<const uint16_t*>(row) + at);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
  } else {
    return _mm512_maskz_loadu_ps(mask, static_cast<const float*>(row) + at);
  }
}

template <bool kBf16>
void straight_of(const PackMatrix& m, uint32_t* out) {
  const int64_t depth = (m.rows + 1) / 2;
  for (int64_t p = 0; p < depth; ++p) {
    const void* even = row_of(m, 2 * p);
    const bool alone = 2 * p + 1 == m.rows;
    const void* odd = alone ? even : row_of(m, 2 * p + 1);
    for (int64_t at = 0; at < m.columns; at += kPanel) {
      const auto mask = static_cast<__mmask16>(first_elements(m.columns - at));
      const __m512 x = elements_of_row<kBf16>(even, at, mask);
      const __m512 y = alone ? _mm512_set1_ps(-0.0f) : elements_of_row<kBf16>(odd, at, mask);
      U words;
      if constexpr (kBf16) words = bits(reinterpret_cast<F>(x)) | (bits(reinterpret_cast<F>(y)) >> 16);
      else words = pairs_across(reinterpret_cast<F>(x), reinterpret_cast<F>(y));
      store_u32(out + at * depth + p * kPanel, words);
    }
  }
}

}  // namespace

void pack_pair_rows(const PackMatrix& m, uint32_t* out, int64_t stride) {
  m.bf16 ? rows_of<true>(m, out, stride) : rows_of<false>(m, out, stride);
}
void pack_pairs_turned(const PackMatrix& m, uint32_t* out) {
  m.bf16 ? turned_of<true>(m, out) : turned_of<false>(m, out);
}
void pack_pairs_straight(const PackMatrix& m, uint32_t* out) {
  m.bf16 ? straight_of<true>(m, out) : straight_of<false>(m, out);
}
#endif

}  // namespace nuri::cpu::NURI_LEVEL
