// Packing of product operands of one level: FP32 or BF16 sources, gathered or not, into words along k, rounding on the
// way. The unit is a vector of words, either along k (source rows are the outer axis) or along the outer axis (source
// rows are k); where the destination wants the other direction, blocks of kWidth x kWidth words are turned in registers.
#include "backend/cpu/kernels/products_pack.h"

#include "backend/cpu/kernels/simd.h"

namespace nuri::cpu::NURI_LEVEL {
namespace {

constexpr int kPanel = 16;
typedef uint16_t H __attribute__((vector_size(kWidth * 2)));
typedef uint16_t HUnaligned __attribute__((vector_size(kWidth * 2), aligned(2), may_alias));

NURI_INLINE const void* row_of(const PackSource& s, int64_t row) {
  const int64_t offset = (s.rows ? s.rows[row] : row) * s.stride;
  return static_cast<const char*>(s.data) + offset * (s.bf16 ? 2 : 4);
}

/// n (at most kWidth) elements from element `at` of a memory row, as FP32; the others +0. Nothing else is read.
template <bool kBf16Source>
NURI_INLINE F load_elements(const void* row, int64_t at, int64_t n) {
  if constexpr (kBf16Source) {
    const uint16_t* p = static_cast<const uint16_t*>(row) + at;
    H half{};
    if (n >= kWidth) half = *reinterpret_cast<const HUnaligned*>(p);
    else
      for (int64_t i = 0; i < n; ++i) half[i] = p[i];
    return from_bits(__builtin_convertvector(half, U) << 16);
  } else {
    const float* p = static_cast<const float*>(row) + at;
    return n >= kWidth ? load(p) : load_partial(p, static_cast<int>(n < 0 ? 0 : n));
  }
}

/// Words of BF16 pairs from the even and the odd elements.
template <bool kBf16Source>
NURI_INLINE U pair_words(F even, F odd) {
  if constexpr (kBf16Source) return bits(even) | (bits(odd) >> 16);
  else return round_bf16_bits(even) | (round_bf16_bits(odd) >> 16);
}

template <int... kLane>
struct Lanes {};
template <int kN, int... kLane>
struct MakeLanes : MakeLanes<kN - 1, kN - 1, kLane...> {};
template <int... kLane>
struct MakeLanes<0, kLane...> {
  typedef Lanes<kLane...> type;
};
typedef MakeLanes<kWidth>::type AllLanes;

/// Elements kParity, kParity + 2, ... of the 2 kWidth elements x, y.
template <int kParity, int... kLane>
NURI_INLINE F every_other(F x, F y, Lanes<kLane...>) {
  return __builtin_shufflevector(x, y, (2 * kLane + kParity)...);
}

/// kWidth words of one outer row from word p on; words past `depth` are +0 (and so is the second half of an odd last pair).
template <Words kWords, bool kBf16Source>
NURI_INLINE U words_along_k(const void* row, int64_t k, int64_t p) {
  if constexpr (kWords == Words::pairs) {
    const F x = load_elements<kBf16Source>(row, 2 * p, k - 2 * p);
    const F y = load_elements<kBf16Source>(row, 2 * p + kWidth, k - 2 * p - kWidth);
    return pair_words<kBf16Source>(every_other<0>(x, y, AllLanes{}), every_other<1>(x, y, AllLanes{}));
  } else {
    const F x = load_elements<kBf16Source>(row, p, k - p);
    return kWords == Words::rounded && !kBf16Source ? round_bf16_bits(x) : bits(x);
  }
}

/// Word p of n outer elements from `at` on, of a source whose memory rows are k.
template <Words kWords, bool kBf16Source>
NURI_INLINE U words_along_outer(const PackSource& s, int64_t p, int64_t at, int64_t n) {
  if constexpr (kWords == Words::pairs) {
    const F even = load_elements<kBf16Source>(row_of(s, 2 * p), at, n);
    const F odd = 2 * p + 1 < s.k ? load_elements<kBf16Source>(row_of(s, 2 * p + 1), at, n) : F{};
    return pair_words<kBf16Source>(even, odd);
  } else {
    const F x = load_elements<kBf16Source>(row_of(s, p), at, n);
    return kWords == Words::rounded && !kBf16Source ? round_bf16_bits(x) : bits(x);
  }
}

/// One stage of the turn: blocks of kHalf x kHalf words off the diagonal change places.
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

/// v[i][j] <-> v[j][i].
NURI_INLINE void transpose(U* v) {
  if constexpr (kWidth >= 16) swap_blocks<kWidth >= 16 ? 8 : 1>(v, AllLanes{});
  if constexpr (kWidth >= 8) swap_blocks<kWidth >= 8 ? 4 : 1>(v, AllLanes{});
  swap_blocks<2>(v, AllLanes{});
  swap_blocks<1>(v, AllLanes{});
}

template <Words kWords>
constexpr int64_t depth_of(int64_t k) {
  return kWords == Words::pairs ? (k + 1) / 2 : k;
}

template <Words kWords, bool kBf16Source>
void rows_of(const PackSource& s, int64_t first, int64_t count, uint32_t* out, int64_t stride) {
  const int64_t depth = depth_of<kWords>(s.k);
  if (s.k_contiguous) {
    for (int64_t o = 0; o < count; ++o) {
      const void* row = row_of(s, first + o);
      for (int64_t p = 0; p < depth; p += kWidth)
        store_u32(out + o * stride + p, words_along_k<kWords, kBf16Source>(row, s.k, p));
    }
    return;
  }
  for (int64_t o = 0; o < count; o += kWidth) {
    const int64_t n = count - o < kWidth ? count - o : kWidth;
    for (int64_t p = 0; p < depth; p += kWidth) {
      U v[kWidth];
#pragma GCC unroll 16
      for (int i = 0; i < kWidth; ++i)
        v[i] = p + i < depth ? words_along_outer<kWords, kBf16Source>(s, p + i, first + o, n) : U{};
      transpose(v);
      for (int64_t i = 0; i < n; ++i) store_u32(out + (o + i) * stride + p, v[i]);
    }
  }
}

template <Words kWords, bool kBf16Source>
void panels_of(const PackSource& s, int64_t first, int64_t count, uint32_t* out) {
  const int64_t depth = depth_of<kWords>(s.k);
  for (int64_t o = 0; o < count; o += kPanel, out += depth * kPanel) {
    for (int part = 0; part < kPanel; part += kWidth) {
      const int64_t at = first + o + part, left = count - o - part;
      const int64_t n = left < 0 ? 0 : left < kWidth ? left : kWidth;
      if (!s.k_contiguous) {
        for (int64_t p = 0; p < depth; ++p)
          store_u32(out + p * kPanel + part, n > 0 ? words_along_outer<kWords, kBf16Source>(s, p, at, n) : U{});
        continue;
      }
      const void* row[kWidth];
      for (int i = 0; i < kWidth; ++i) row[i] = i < n ? row_of(s, at + i) : nullptr;
      for (int64_t p = 0; p < depth; p += kWidth) {
        U v[kWidth];
#pragma GCC unroll 16
        for (int i = 0; i < kWidth; ++i) v[i] = i < n ? words_along_k<kWords, kBf16Source>(row[i], s.k, p) : U{};
        transpose(v);
        for (int64_t i = 0; i < kWidth && p + i < depth; ++i) store_u32(out + (p + i) * kPanel + part, v[i]);
      }
    }
    if (kWords == Words::pairs && (s.k & 1))  // the product with A's +0 is then -0, which adds nothing to any sum
      for (int i = 0; i < kPanel; ++i) out[(depth - 1) * kPanel + i] |= 0x8000u;
  }
}

}  // namespace

void pack_rows(const PackSource& s, Words words, int64_t first, int64_t count, uint32_t* out, int64_t stride) {
  switch (words) {
    case Words::floats:
      return s.bf16 ? rows_of<Words::floats, true>(s, first, count, out, stride)
                    : rows_of<Words::floats, false>(s, first, count, out, stride);
    case Words::rounded:
      return s.bf16 ? rows_of<Words::rounded, true>(s, first, count, out, stride)
                    : rows_of<Words::rounded, false>(s, first, count, out, stride);
    case Words::pairs:
      return s.bf16 ? rows_of<Words::pairs, true>(s, first, count, out, stride)
                    : rows_of<Words::pairs, false>(s, first, count, out, stride);
  }
}

void pack_panels(const PackSource& s, Words words, int64_t first, int64_t count, uint32_t* out) {
  if (words == Words::pairs)
    return s.bf16 ? panels_of<Words::pairs, true>(s, first, count, out)
                  : panels_of<Words::pairs, false>(s, first, count, out);
  return s.bf16 ? panels_of<Words::floats, true>(s, first, count, out)
                : panels_of<Words::floats, false>(s, first, count, out);
}

}  // namespace nuri::cpu::NURI_LEVEL
