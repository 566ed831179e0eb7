// Packing of product operands of one level: FP32 or BF16 sources, gathered or not, into words along k, rounding on the
// way. The unit is a vector of words, either along k (source rows are the outer axis) or along the outer axis (source
// rows are k); where the destination wants the other direction, blocks of kWidth x kWidth words are turned in
// registers.
#include "backend/cpu/kernels/products_pack.h"

#include "backend/cpu/kernels/lanes.h"

namespace nuri::cpu::NURI_LEVEL {
namespace {

constexpr int kPanel = 16;

NURI_INLINE const void* row_of(const PackSource& s, int64_t row) {
  const int64_t offset = (s.rows ? s.rows[row] : row) * s.stride;
  return static_cast<const char*>(s.data) + offset * (s.bf16 ? 2 : 4);
}

/// n (at most kWidth) BF16 numbers from element `at` of a memory row in the lower halves of words; the others +0.
NURI_INLINE U load_halves_of(const void* row, int64_t at, int64_t n) {
  return words_of(load_halves(static_cast<const uint16_t*>(row) + at, n));
}

/// n (at most kWidth) elements from element `at` of a memory row, as FP32; the others +0. Nothing else is read.
template <bool kBf16Source>
NURI_INLINE F load_elements(const void* row, int64_t at, int64_t n) {
  if constexpr (kBf16Source) {
    return from_bits(load_halves_of(row, at, n) << 16);
  } else {
    const float* p = static_cast<const float*>(row) + at;
    return n >= kWidth ? load(p) : load_partial(p, static_cast<int>(n < 0 ? 0 : n));
  }
}

#if defined(__AVX512BF16__)
// The instruction rounds as rule 4 says (apart from the payload of a NaN), whatever the thread's rounding mode.
typedef uint16_t H32 __attribute__((vector_size(64)));

/// BF16 of x in the lower half, of y in the upper half.
NURI_INLINE H32 round_both(F x, F y) {
  return (H32)_mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(y), reinterpret_cast<__m512>(x));
}
/// Words even << 16 | odd.
NURI_INLINE U pairs_of(F even, F odd) {
  const H32 both = round_both(odd, even);
  return reinterpret_cast<U>(__builtin_shufflevector(both, both, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
                                                     8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
}
/// The same of the consecutive elements x, y.
NURI_INLINE U pairs_along(F x, F y) {
  const U both = reinterpret_cast<U>(round_both(x, y));
  return (both << 16) | (both >> 16);
}
#else
NURI_INLINE U pairs_of(F even, F odd) { return round_bf16_bits(even) | (round_bf16_bits(odd) >> 16); }
NURI_INLINE U pairs_along(F x, F y) {
  return pairs_of(every_other<0>(x, y, AllLanes{}), every_other<1>(x, y, AllLanes{}));
}
#endif

/// kWidth pairs of consecutive BF16 numbers of a row of k, from pair p on, as they lie: the first in the lower half.
NURI_INLINE U load_pairs(const void* row, int64_t k, int64_t p) {
  const uint16_t* from = static_cast<const uint16_t*>(row) + 2 * p;
  if (k - 2 * p >= 2 * kWidth) return *reinterpret_cast<const UUnaligned*>(from);
  U v{};
  for (int64_t i = 0; i < k - 2 * p; ++i) v[i / 2] |= static_cast<uint32_t>(from[i]) << (i % 2 * 16);
  return v;
}

/// kWidth words of one outer row from word p on; words past the end are +0 (and so is the second half of an odd last
/// pair).
template <Words kWords, bool kBf16Source>
NURI_INLINE U words_along_k(const void* row, int64_t k, int64_t p) {
  if constexpr (kWords == Words::pairs && kBf16Source) {
    const U pairs = load_pairs(row, k, p);  // no rounding: BF16 already; a subnormal counts as zero in the product
    return (pairs << 16) | (pairs >> 16);
  } else if constexpr (kWords == Words::pairs) {
    const F x = load_elements<kBf16Source>(row, 2 * p, k - 2 * p);
    const F y = load_elements<kBf16Source>(row, 2 * p + kWidth, k - 2 * p - kWidth);
    return pairs_along(x, y);
  } else {
    const F x = load_elements<kBf16Source>(row, p, k - p);
    return kWords == Words::rounded && !kBf16Source ? round_bf16_bits(x) : bits(x);
  }
}

/// Some memory rows of a source whose rows are k, and those that follow them, which are fetched meanwhile.
template <int kRows>
struct RowRun {
  const char* row[kRows];
  const char* ahead[kRows];
  bool whole;  ///< all rows exist; else those past the end are null and count as +0

  RowRun(const PackSource& s, int64_t first) : whole(first + kRows <= s.k) {
    for (int i = 0; i < kRows; ++i) {
      row[i] = first + i < s.k ? static_cast<const char*>(row_of(s, first + i)) : nullptr;
      ahead[i] = first + kRows + i < s.k ? static_cast<const char*>(row_of(s, first + kRows + i)) : row[0];
    }
  }
};

/// Word i of a run at n outer elements from `at` on. kWhole: the rows exist and n is kWidth.
template <Words kWords, bool kBf16Source, bool kWhole, int kRows>
NURI_INLINE U word_of(const RowRun<kRows>& run, int i, int64_t at, int64_t n) {
  const auto element = [&](int r) {
    __builtin_prefetch(run.ahead[r] + at * (kBf16Source ? 2 : 4));
    if (!kWhole && !run.row[r]) return F{};
    return load_elements<kBf16Source>(run.row[r], at, kWhole ? kWidth : n);
  };
  const auto half = [&](int r) {
    __builtin_prefetch(run.ahead[r] + at * 2);
    if (!kWhole && !run.row[r]) return U{};
    return load_halves_of(run.row[r], at, kWhole ? kWidth : n);
  };
  if constexpr (kWords == Words::pairs && kBf16Source)
    return (half(2 * i) << 16) | half(2 * i + 1);
  else if constexpr (kWords == Words::pairs)
    return pairs_of(element(2 * i), element(2 * i + 1));
  else
    return kWords == Words::rounded && !kBf16Source ? round_bf16_bits(element(i)) : bits(element(i));
}

template <Words kWords>
constexpr int kUnit = kWords == Words::pairs ? 2 : 1;  // elements of k in a word

/// First word and end of the words of a part.
struct WordRange {
  int64_t begin, end;
};
template <Words kWords>
NURI_INLINE WordRange words_of(const PackPart& part) {
  constexpr int64_t kStep = kUnit<kWords>;
  return {part.k / kStep, (part.k + part.k_count + kStep - 1) / kStep};
}

/// kWidth words of n outer rows, turned: rows of `out` (16 words apart) are words, `count` of them.
template <Words kWords, bool kBf16Source>
NURI_INLINE void turn_panel(const void* const* row, int64_t n, int64_t k, int64_t p, uint32_t* out, int64_t count) {
  U v[kWidth];
#pragma GCC unroll 16
  for (int i = 0; i < kWidth; ++i) v[i] = i < n ? words_along_k<kWords, kBf16Source>(row[i], k, p) : U{};
  transpose(v);
#pragma GCC unroll 16
  for (int i = 0; i < kWidth; ++i)
    if (i < count) store_u32(out + i * kPanel, v[i]);
}

template <Words kWords, bool kBf16Source>
void rows_of(const PackSource& s, const PackPart& part, uint32_t* out, int64_t stride) {
  constexpr int64_t kRowsAhead = 4, kStep = kUnit<kWords> * kWidth;  // elements of a vector of words
  const WordRange range = words_of<kWords>(part);
  const int64_t outer_end = part.outer + part.outer_count;
  for (int64_t o = part.outer; o < outer_end; ++o) {
    const void* row = row_of(s, o);
    const char* ahead = static_cast<const char*>(row_of(s, o + kRowsAhead < outer_end ? o + kRowsAhead : o));
    for (int64_t p = range.begin, at = part.k; p < range.end; p += kWidth, at += kStep) {
      for (int64_t line = 0; line < kStep; line += 16) __builtin_prefetch(ahead + (at + line) * (kBf16Source ? 2 : 4));
      store_u32(out + o * stride + p, words_along_k<kWords, kBf16Source>(row, s.k, p));
    }
  }
}

template <Words kWords, bool kBf16Source>
void panels_of(const PackSource& s, bool is_b, const PackPart& part, uint32_t* out, int64_t panel_stride) {
  WordRange range = words_of<kWords>(part);
  if (kWords == Words::rounded) range.end += range.end & 1;  // two words are read for a pair
  const int64_t outer_end = part.outer + part.outer_count;
  const int64_t vectors_end = (outer_end + kPanel - 1) / kPanel * kPanel;  // the last panel is filled up
  const auto place = [&](int64_t o, int64_t p) { return out + o / kPanel * panel_stride + p * kPanel + o % kPanel; };
  if (s.k_contiguous) {
    for (int64_t o = part.outer; o < vectors_end; o += kWidth) {
      const int64_t n = outer_end - o;  // may be 0 or less
      const void* row[kWidth];
      for (int i = 0; i < kWidth; ++i) row[i] = i < n ? row_of(s, o + i) : nullptr;
      for (int64_t p = range.begin; p < range.end; p += kWidth)
        turn_panel<kWords, kBf16Source>(row, n, s.k, p, place(o, p), range.end - p);
    }
  } else {
    constexpr int kRun = 8;  // words written to a panel before going to the next
    for (int64_t p = range.begin; p < range.end; p += kRun) {
      const RowRun<kUnit<kWords> * kRun> run(s, p * kUnit<kWords>);
      for (int64_t o = part.outer; o < vectors_end; o += kWidth) {
        const int64_t n = outer_end - o < kWidth ? outer_end - o : kWidth;
        uint32_t* to = place(o, p);
        if (run.whole && n == kWidth) {
#pragma GCC unroll 8
          for (int i = 0; i < kRun; ++i) store_u32(to + i * kPanel, word_of<kWords, kBf16Source, true>(run, i, o, n));
        } else {
          for (int i = 0; i < kRun && p + i < range.end; ++i)
            store_u32(to + i * kPanel, n > 0 ? word_of<kWords, kBf16Source, false>(run, i, o, n) : U{});
        }
      }
    }
  }
  if (kWords == Words::pairs && is_b && part.k + part.k_count == s.k && (s.k & 1))
    for (int64_t o = part.outer; o < vectors_end; ++o) *place(o, range.end - 1) |= 0x8000u;
}

}  // namespace

void pack_rows(const PackSource& s, Words words, const PackPart& part, uint32_t* out, int64_t stride) {
  switch (words) {
    case Words::floats:
      return s.bf16 ? rows_of<Words::floats, true>(s, part, out, stride)
                    : rows_of<Words::floats, false>(s, part, out, stride);
    case Words::rounded:
      return s.bf16 ? rows_of<Words::rounded, true>(s, part, out, stride)
                    : rows_of<Words::rounded, false>(s, part, out, stride);
    case Words::pairs:
      return s.bf16 ? rows_of<Words::pairs, true>(s, part, out, stride)
                    : rows_of<Words::pairs, false>(s, part, out, stride);
  }
}

void pack_panels(const PackSource& s, Words words, bool is_b, const PackPart& part, uint32_t* out,
                 int64_t panel_stride) {
  switch (words) {
    case Words::floats:
      return s.bf16 ? panels_of<Words::floats, true>(s, is_b, part, out, panel_stride)
                    : panels_of<Words::floats, false>(s, is_b, part, out, panel_stride);
    case Words::rounded:
      return s.bf16 ? panels_of<Words::rounded, true>(s, is_b, part, out, panel_stride)
                    : panels_of<Words::rounded, false>(s, is_b, part, out, panel_stride);
    case Words::pairs:
      return s.bf16 ? panels_of<Words::pairs, true>(s, is_b, part, out, panel_stride)
                    : panels_of<Words::pairs, false>(s, is_b, part, out, panel_stride);
  }
}

}  // namespace nuri::cpu::NURI_LEVEL
