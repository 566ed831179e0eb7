// Packing of attention's operands into words. Where a level has pairs, they are made by the conversion instruction,
// which rounds as profile x1 does (nearest even, subnormals to signed zero).
#include "backend/cpu/kernels/attention_pack.h"

#include "backend/cpu/kernels/attention_lanes.h"
#include "backend/cpu/kernels/attention_tiles.h"

namespace nuri::cpu::NURI_LEVEL {
namespace {

// ------------------------------------------------------------------------------------------- kWidth words of one row

#if defined(__AVX512BF16__)
/// Pairs at .. at + 16 of a row of n elements; what lies past its end is +0 and not read.
template <bool kFromBf16>
NURI_INLINE U pairs_of_row(const void* row, int64_t at, int64_t n) {
  const int64_t left = n - 2 * at;
  if constexpr (kFromBf16) {
    const uint16_t* p = static_cast<const uint16_t*>(row) + 2 * at;
    const __m512i natural = left >= 32 ? _mm512_loadu_si512(p)
                            : left == 16
                                ? _mm512_zextsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))
                                : _mm512_maskz_loadu_epi16(first_elements(left), p);
    return reinterpret_cast<U>(_mm512_rol_epi32(natural, 16));
  } else {
    return pairs_along(elements_of_row<false>(row, 2 * at, n), elements_of_row<false>(row, 2 * at + 16, n));
  }
}
#endif

#if defined(__AVX512BF16__)
/// Elements at .. at + 32 of two BF16 rows as words (first row high), 16 to `to` and 16 to the next panel.
NURI_INLINE void interleave(const void* high, const void* low, int64_t at, uint32_t* to, int64_t panel_stride) {
  U words[2];
  pairs_of_rows(_mm512_loadu_si512(static_cast<const uint16_t*>(high) + at),
                _mm512_loadu_si512(static_cast<const uint16_t*>(low) + at), words);
  store_u32(to, words[0]);
  store_u32(to + panel_stride, words[1]);
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

// ------------------------------------------------------------------------------------------------------------- packing

constexpr uint32_t kMinusZeroLow = 0x8000u;  // as the missing half of a pair of B

/// Of a word's elements in memory.
template <Word kWord, bool kFromBf16>
constexpr int64_t kBytesOfWord = (kWord == Word::pair ? 2 : 1) * (kFromBf16 ? 2 : 4);

template <Word kWord>
constexpr int64_t depth_of(int64_t k) {
  return kWord == Word::pair ? (k + 1) / 2 : k;
}

template <Word kWord, bool kFromBf16>
void rows_of(const PackMatrix& m, uint32_t* out, int64_t stride) {
  constexpr int64_t kBytes = kBytesOfWord<kWord, kFromBf16>;
  const int64_t rows = m.rows, columns = m.columns, row_bytes = m.stride * (kFromBf16 ? 2 : 4);
  const char* from = static_cast<const char*>(m.data);
  constexpr int64_t kNear = 4096;  // to L1
  Ahead ahead(m.ahead, m.ahead_lines, rows);
  for (int64_t r = 0; r < rows; ++r, from += row_bytes, out += stride) {
    ahead.ask();
    for (int64_t at = 0; at < depth_of<kWord>(columns); at += kWidth) {
#pragma GCC unroll 2
      for (int64_t line = 0; line < kWidth * kBytes; line += kLine) prefetch_near(from + at * kBytes + line + kNear);
      store_u32(out + at, words_of_row<kWord, kFromBf16>(from, at, columns));
    }
  }
}

/// kWidth rows from `first` on, turned: words [begin, end) of their depth to `out`, panel after panel of 16. kWhole:
/// the rows are there, and end - begin is a multiple of kWidth.
template <Word kWord, bool kFromBf16, bool kWhole>
NURI_INLINE void turn_rows(const PackMatrix& m, int64_t first, int64_t begin, int64_t end, Ahead& ahead,
                           uint32_t* out) {
  const int64_t rows = m.rows - first, row_bytes = m.stride * (kFromBf16 ? 2 : 4);
  const char* const from = static_cast<const char*>(row_of(m, first));
  for (int64_t at = begin; at < end; at += kWidth) {
    U v[kWidth];
    ahead.ask();
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) {
      if constexpr (kWhole)
        v[i] = words_of_row<kWord, kFromBf16>(from + i * row_bytes, at, INT32_MAX);
      else  // a row that is not there has no columns
        v[i] = words_of_row<kWord, kFromBf16>(from + (i < rows ? i : 0) * row_bytes, at, i < rows ? m.columns : 0);
    }
    transpose(v);
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i)
      if (kWhole || at + i < end) store_u32(out + (at + i) * kPanel, v[i]);
  }
}

/// Without checks of its unrolled loads and stores; the ends of rows keep theirs.
template <Word kWord, bool kFromBf16>
NURI_TILE_CHECKS __attribute__((noinline)) void turn_whole_rows(const PackMatrix& m, int64_t first, int64_t begin,
                                                                int64_t end, Ahead& ahead, uint32_t* out) {
  turn_rows<kWord, kFromBf16, true>(m, first, begin, end, ahead, out);
}

#if defined(__AVX2__) && !defined(__AVX512F__)
/// 16 rows of BF16, turned: elements [0, count) to `out`; count is a multiple of 8. Halves are turned before they
/// become floats: half as many vectors to shuffle.
NURI_INLINE void turn_panel_of_halves(const PackMatrix& m, int64_t first, int64_t count, Ahead& ahead, uint32_t* out) {
  // Rows in the order in which unpacking to floats puts them side by side.
  constexpr int kLow[8] = {0, 1, 2, 3, 8, 9, 10, 11}, kHigh[8] = {4, 5, 6, 7, 12, 13, 14, 15};
  const auto* from = static_cast<const uint16_t*>(row_of(m, first));
  for (int64_t at = 0; at < count; at += 8, out += 8 * kPanel) {
    ahead.ask();
    __m256i x[8], y[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i)
      x[i] = _mm256_loadu2_m128i(reinterpret_cast<const __m128i*>(from + kHigh[i] * m.stride + at),
                                 reinterpret_cast<const __m128i*>(from + kLow[i] * m.stride + at));
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 2)  // elements 0..3 and 4..7 of two rows
      y[i] = _mm256_unpacklo_epi16(x[i], x[i + 1]), y[i + 1] = _mm256_unpackhi_epi16(x[i], x[i + 1]);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 4)  // of four rows, two elements in each
      for (int half = 0; half < 2; ++half) {
        x[i + 2 * half] = _mm256_unpacklo_epi32(y[i + half], y[i + 2 + half]);
        x[i + 2 * half + 1] = _mm256_unpackhi_epi32(y[i + half], y[i + 2 + half]);
      }
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {  // element i of all rows
      const __m256i all =
          i % 2 == 0 ? _mm256_unpacklo_epi64(x[i / 2], x[4 + i / 2]) : _mm256_unpackhi_epi64(x[i / 2], x[4 + i / 2]);
      store_u32(out + i * kPanel, reinterpret_cast<U>(_mm256_unpacklo_epi16(_mm256_setzero_si256(), all)));
      store_u32(out + i * kPanel + 8, reinterpret_cast<U>(_mm256_unpackhi_epi16(_mm256_setzero_si256(), all)));
    }
  }
}
#endif

template <Word kWord, bool kFromBf16>
void turned_of(const PackMatrix& m, uint32_t* out, int64_t) {
  const int64_t depth = depth_of<kWord>(m.columns);
  const int64_t whole = m.columns / (kWord == Word::pair ? 2 : 1) / kWidth * kWidth;
  constexpr int64_t kParts = kFromBf16 && kWidth == 8 ? 1 : kPanel / kWidth;  // of a panel, turned one by one
  Ahead ahead(m.ahead, m.ahead_lines, (m.rows + kPanel - 1) / kPanel * kParts * ((depth + kWidth - 1) / kWidth));
  for (int64_t panel = 0; panel < m.rows; panel += kPanel, out += depth * kPanel) {
    int64_t done = 0;
#if defined(__AVX2__) && !defined(__AVX512F__)
    if (kFromBf16 && panel + kPanel <= m.rows) turn_panel_of_halves(m, panel, done = whole, ahead, out);
#endif
    for (int part = 0; part < kPanel; part += kWidth) {
      const int64_t first = panel + part, in_whole = first + kWidth <= m.rows ? whole : 0;
      turn_whole_rows<kWord, kFromBf16>(m, first, done, in_whole, ahead, out + part);
      turn_rows<kWord, kFromBf16, false>(m, first, in_whole, depth, ahead, out + part);
    }
    if (kWord == Word::pair && (m.columns & 1))
      for (int64_t i = 0; i < kPanel; ++i) out[(depth - 1) * kPanel + i] |= kMinusZeroLow;
  }
}

#if defined(__AVX512BF16__)
/// Panels of pairs: two rows side by side.
template <bool kFromBf16>
void straight_pairs_of(const PackMatrix& m, uint32_t* out) {
  const int64_t depth = depth_of<Word::pair>(m.rows);
  for (int64_t p = 0; p < depth; ++p)
    for (int64_t at = 0; at < m.columns; at += kPanel) {
      uint32_t* to = out + at * depth + p * kPanel;
      if (kFromBf16 && at + 2 * kPanel <= m.columns && 2 * p + 1 < m.rows) {
        interleave(row_of(m, 2 * p), row_of(m, 2 * p + 1), at, to, depth * kPanel);
        at += kPanel;  // two panels at once
        continue;
      }
      const F even = elements_of_row<kFromBf16>(row_of(m, 2 * p), at, m.columns);
      const F odd = 2 * p + 1 < m.rows ? elements_of_row<kFromBf16>(row_of(m, 2 * p + 1), at, m.columns) : set1(-0.0f);
      store_u32(to, kFromBf16 ? bits(even) | (bits(odd) >> 16) : pairs_across(even, odd));
    }
}
#endif

template <Word kWord, bool kFromBf16>
void straight_of(const PackMatrix& m, uint32_t* out, int64_t) {
#if defined(__AVX512BF16__)
  if constexpr (kWord == Word::pair) return straight_pairs_of<kFromBf16>(m, out);
#endif
  const int64_t row_bytes = m.stride * (kFromBf16 ? 2 : 4);
  for (int64_t at = 0; at < m.columns; at += kPanel) {  // a panel: beyond the columns it is zero
    const char* from = static_cast<const char*>(m.data);
    const bool whole = at + kPanel <= m.columns;
    for (int64_t r = 0; r < m.rows; ++r, from += row_bytes, out += kPanel)
#pragma GCC unroll 4
      for (int v = 0; v < kPanelVectors; ++v)
        store_u32(out + v * kWidth,
                  words_of_row<kWord, kFromBf16>(from, at + v * kWidth, whole ? INT32_MAX : m.columns));
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
