// Register tiles of attention, one level: chains of rows of A against panels of B.
#pragma once

#include "backend/cpu/attention_kernels.h"
#include "backend/cpu/kernels/simd.h"

namespace nuri::cpu::NURI_LEVEL {

constexpr int kPanel = 16;
constexpr int kPanelVectors = kPanel / kWidth;

#if defined(__AVX512BF16__)
constexpr bool kHasPairs = true;
#else
constexpr bool kHasPairs = false;
#endif

// Tiles are 6, 4, 2 or 1 rows by 4, 2 or 1 panels: 6 x 4 fills the 32 registers of AVX-512, 6 x 1 the 16 of AVX2.
#if defined(__AVX512F__)
constexpr int kTilePanels = 4;
#else
constexpr int kTilePanels = 1;
#endif
constexpr int kTileRows = 6;

/// What the words of a run are.
enum class Word { fp32, rounded, pair };
constexpr Word kBf16Word = kHasPairs ? Word::pair : Word::rounded;
/// How they are multiplied: rounded floats as FP32.
constexpr Word arithmetic(Word word) { return word == Word::pair ? Word::pair : Word::fp32; }

template <Word kWord>
NURI_INLINE F multiply_add(uint32_t a, U b, F c) {
#if defined(__AVX512BF16__)
  if constexpr (kWord == Word::pair)
    return reinterpret_cast<F>(
        _mm512_dpbf16_ps(reinterpret_cast<__m512>(c), (__m512bh)_mm512_set1_epi32(static_cast<int>(a)), (__m512bh)b));
#endif
  return fma(set1(__builtin_bit_cast(float, a)), from_bits(b), c);
}

/// A tile's chains. Rows of A lie a_stride words apart, or (kAcross) beside each other with a_stride between words.
template <Word kWord, int kRows, int kPanels, bool kAcross>
struct Tile {
  static constexpr int kVectors = kPanels * kPanelVectors;
  F acc[kRows][kVectors];

  NURI_INLINE uint32_t word(const uint32_t* a, int64_t stride, int row, int64_t p) {
    return kAcross ? a[p * stride + row] : a[row * stride + p];
  }

  inline __attribute__((always_inline)) void zero() {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) acc[r][v] = F{};
  }

  /// Words [begin, end) of all rows; b_row lies between the words of a panel of B.
  inline __attribute__((always_inline)) void run(const uint32_t* a, int64_t a_stride, const uint32_t* b,
                                                 int64_t panel_stride, int64_t b_row, int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      U bv[kVectors];
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v)
        bv[v] = load_u32(b + (v / kPanelVectors) * panel_stride + p * b_row + (v % kPanelVectors) * kWidth);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const uint32_t av = word(a, a_stride, r, p);
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) acc[r][v] = multiply_add<kWord>(av, bv[v], acc[r][v]);
      }
    }
  }

  /// All words of one row against a panel of pairs, the earlier element in the high half.
  inline __attribute__((always_inline)) void run_pairs(const uint32_t* a, const uint32_t* b, int64_t words) {
    static_assert(kRows == 1 && kPanels == 1 && kWord == Word::fp32);
    constexpr int kAhead = 32;  // pairs: one stream is too little for what memory can do
    for (int64_t p = 0; p < words; p += 2, b += kPanel) {
      __builtin_prefetch(b + kAhead * kPanel);
      const F first = set1(__builtin_bit_cast(float, a[p]));
      const F second = set1(p + 1 < words ? __builtin_bit_cast(float, a[p + 1]) : 0.0f);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        const U pair = load_u32(b + v * kWidth);
        acc[0][v] = fma(first, from_bits(pair & 0xFFFF0000u), acc[0][v]);
        acc[0][v] = fma(second, from_bits(pair << 16), acc[0][v]);
      }
    }
  }

  /// Word p of one row; `mask` keeps the half of B's pairs that the row sees (the other half of A holds -0, so that its
  /// product is -0 and adds nothing).
  inline __attribute__((always_inline)) void run_one(int row, const uint32_t* a, int64_t a_stride, const uint32_t* b,
                                                     int64_t panel_stride, int64_t b_row, int64_t p, uint32_t mask) {
    const uint32_t av = word(a, a_stride, row, p);
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      const U bv = load_u32(b + (v / kPanelVectors) * panel_stride + p * b_row + (v % kPanelVectors) * kWidth);
      acc[row][v] = multiply_add<kWord>(av, bv & mask, acc[row][v]);
    }
  }

  /// Row r sees elements [begins[r], ends[r]) only (null: 0, all); both ascend with r. Words that all rows see run
  /// together, the others row by row.
  inline __attribute__((always_inline)) void run_bounded(const RowProduct& x, const uint32_t* a, const uint32_t* b,
                                                         int64_t panel_stride, int64_t b_row, int64_t first_row) {
    constexpr int64_t kElements = kWord == Word::pair ? 2 : 1;
    constexpr uint32_t kAll = 0xFFFFFFFFu, kHigh = 0xFFFF0000u, kLow = 0x0000FFFFu;
    const int32_t* begins = x.begins ? x.begins + first_row : nullptr;
    const int32_t* ends = x.ends ? x.ends + first_row : nullptr;
    const int64_t first = begins ? (begins[kRows - 1] + kElements - 1) / kElements : 0;
    const int64_t last = ends ? ends[0] / kElements : x.words;
    if (begins) {
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        int64_t p = begins[r] / kElements;
        if (kElements == 2 && (begins[r] & 1)) run_one(r, a, x.a_stride, b, panel_stride, b_row, p++, kLow);
        for (; p < first; ++p) run_one(r, a, x.a_stride, b, panel_stride, b_row, p, kAll);
      }
    }
    run(a, x.a_stride, b, panel_stride, b_row, first, last);
    if (ends) {
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const int64_t end = ends[r] / kElements;
        for (int64_t p = last; p < end; ++p) run_one(r, a, x.a_stride, b, panel_stride, b_row, p, kAll);
        if (kElements == 2 && (ends[r] & 1)) run_one(r, a, x.a_stride, b, panel_stride, b_row, end, kHigh);
      }
    }
  }
};

/// Calls f.template operator()<kRows, kPanels>(row, panel) for tiles that cover rows x panels, panels outermost.
template <int kPanels, class Body>
NURI_INLINE void for_rows(int64_t rows, int64_t panel, const Body& body) {
  int64_t r = 0;
  for (; r + kTileRows <= rows; r += kTileRows) body.template operator()<kTileRows, kPanels>(r, panel);
  if (r + 4 <= rows) body.template operator()<4, kPanels>(r, panel), r += 4;
  if (r + 2 <= rows) body.template operator()<2, kPanels>(r, panel), r += 2;
  if (r < rows) body.template operator()<1, kPanels>(r, panel);
}
template <class Body>
NURI_INLINE void for_tiles(int64_t rows, int64_t panels, const Body& body) {
  int64_t panel = 0;
  if constexpr (kTilePanels >= 4) {
    // One row waits for memory, which comes fastest in one stream: panel after panel, as they lie.
    for (; rows > 1 && panel + 4 <= panels; panel += 4) for_rows<4>(rows, panel, body);
    if (rows > 1 && panel + 2 <= panels) for_rows<2>(rows, panel, body), panel += 2;
  } else if (rows == 1) {  // panels mostly come from the cache: there its few chains wait for each other
    for (; panel + 4 <= panels; panel += 4) body.template operator()<1, 4>(0, panel);
  }
  for (; panel < panels; ++panel) for_rows<1>(rows, panel, body);
}

}  // namespace nuri::cpu::NURI_LEVEL
