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
  alignas(64) static constexpr uint16_t kOrder[2][32] = {
      {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
       8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47},
      {16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55,
       24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63}};
  const __m512i h = _mm512_loadu_si512(static_cast<const uint16_t*>(high) + at);
  const __m512i l = _mm512_loadu_si512(static_cast<const uint16_t*>(low) + at);
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half)
    store_u32(to + half * panel_stride,
              reinterpret_cast<U>(_mm512_permutex2var_epi16(l, _mm512_load_si512(kOrder[half]), h)));
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

constexpr int64_t kLine = 64;  // bytes

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
  // A decoded token's keys stream through here, from memory: a block comes to L2 as another is met, then to L1.
  constexpr int64_t kNear = 4096;
  const char* ahead = static_cast<const char*>(m.ahead);
  for (int64_t r = 0; r < rows; ++r, from += row_bytes, out += stride)
    for (int64_t at = 0; at < depth_of<kWord>(columns); at += kWidth) {
#pragma GCC unroll 2
      for (int64_t line = 0; line < kWidth * kBytes; line += kLine) {
        prefetch_near(from + at * kBytes + line + kNear);
        if (ahead) prefetch_far(ahead + r * row_bytes + at * kBytes + line);
      }
      store_u32(out + at, words_of_row<kWord, kFromBf16>(from, at, columns));
    }
}

template <Word kWord, bool kFromBf16>
void turned_of(const PackMatrix& m, uint32_t* out, int64_t) {
  const int64_t depth = depth_of<kWord>(m.columns);
  for (int64_t panel = 0; panel < m.rows; panel += kPanel, out += depth * kPanel) {
    for (int part = 0; part < kPanel; part += kWidth) {
      const int64_t first = panel + part, rows = m.rows - first;
      for (int64_t at = 0; at < depth; at += kWidth) {
        U v[kWidth];
        if (m.ahead) {
          constexpr int64_t kBytes = kBytesOfWord<kWord, kFromBf16>;
          const char* row = static_cast<const char*>(m.ahead) + first * m.stride * (kFromBf16 ? 2 : 4) + at * kBytes;
          for (int i = 0; i < kWidth; ++i, row += m.stride * (kFromBf16 ? 2 : 4))
            for (int64_t line = 0; line < kWidth * kBytes; line += kLine) prefetch_far(row + line);
        }
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
      if (kWord == Word::pair && kFromBf16 && at + 2 * kPanel <= m.columns && 2 * p + 1 < m.rows) {
        interleave(row_of(m, 2 * p), row_of(m, 2 * p + 1), at, to, depth * kPanel);
        at += kPanel;  // two panels at once
        continue;
      }
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
