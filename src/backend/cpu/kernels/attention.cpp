// Attention forward, one level: rows of queries against a block of keys, in strips whose scores stay in L1.
#include "backend/cpu/kernels/attention_grad.h"
#include "backend/cpu/kernels/attention_latents.h"
#include "backend/cpu/kernels/attention_pack.h"
#include "backend/cpu/kernels/attention_scores.h"

namespace nuri::cpu::NURI_LEVEL {
namespace {

constexpr int64_t kStrip = 4 * kTileRows;
constexpr int kStripVectors = static_cast<int>(kStrip + kWidth - 1) / kWidth;
constexpr float kMinusInfinity = -__builtin_inff();

/// Scores of a strip, then in the same memory P as words.
struct Strip {
  alignas(64) float s[kStrip * kBlockKeys];
  alignas(64) float m[kStripVectors * kWidth];    // m' of each row
  alignas(64) float a[kStripVectors * kWidth];    // exp(m - m')
  alignas(64) float sum[kStripVectors * kWidth];  // row sums of p
};

/// Scores of a row where they are visible, else -inf.
NURI_INLINE F visible_scores(const float* s, int v, int32_t visible) {
  const F x = load(s + v * kWidth);
  return visible >= (v + 1) * kWidth ? x : select(lanes_below(visible - v * kWidth), x, set1(kMinusInfinity));
}

NURI_INLINE float row_max(const float* s, int32_t visible) {
  F m = set1(kMinusInfinity);
  if (visible == kBlockKeys) {
    F x[kBlockVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kBlockVectors; ++v) x[v] = load(s + v * kWidth);
#pragma GCC unroll 16
    for (int half = kBlockVectors / 2; half >= 1; half /= 2)
#pragma GCC unroll 16
      for (int v = 0; v < half; ++v) x[v] = max(x[v], x[v + half]);
    m = x[0];
  } else {
    for (int v = 0; v * kWidth < visible; ++v) m = max(m, visible_scores(s, v, visible));
  }
  return max_of_lanes(m)[0];
}

/// p of a row over its scores, as words; returns their sum.
template <Word kWord>
NURI_INLINE float row_exp(float* s, float m, int32_t visible) {
  const F shift = set1(m);
  F p[kBlockVectors];
  if (visible == kBlockKeys) {
#pragma GCC unroll 16
    for (int v = 0; v < kBlockVectors; ++v) p[v] = exp_of_nonpositive(load(s + v * kWidth) - shift);
  } else {
#pragma GCC unroll 16
    for (int v = 0; v < kBlockVectors; ++v)
      p[v] = v * kWidth < visible ? exp_of_nonpositive(visible_scores(s, v, visible) - shift) : F{};
  }
#if defined(__AVX512BF16__)
  if constexpr (kWord == Word::pair) {
    // The half of a pair that is not seen must be -0: its product with +0 then adds nothing.
    if (visible & 1) {
      const int v = visible / kWidth;
      F q[kBlockVectors];
#pragma GCC unroll 16
      for (int i = 0; i < kBlockVectors; ++i)
        q[i] = i == v ? select(lanes_below(visible - v * kWidth), p[i], set1(-0.0f)) : p[i];
#pragma GCC unroll 16
      for (int i = 0; i < kBlockVectors; i += 2) store_u32(s + i / 2 * kWidth, pairs_along(q[i], q[i + 1]));
    } else {
#pragma GCC unroll 16
      for (int i = 0; i < kBlockVectors; i += 2) store_u32(s + i / 2 * kWidth, pairs_along(p[i], p[i + 1]));
    }
    return sum_of_block(p);
  }
#endif
#pragma GCC unroll 16
  for (int v = 0; v < kBlockVectors; ++v) store(s + v * kWidth, kWord == Word::rounded ? round_bf16(p[v]) : p[v]);
  return sum_of_block(p);
}

template <Word kWord, int kRows, int kPanels, bool kAcross, bool kPairsOfB>
NURI_TILE_CHECKS __attribute__((noinline)) void product_tile(const RowProduct& x, int64_t row, int64_t panel) {
  Tile<kWord, kRows, kPanels, kAcross> tile;
  float* c = x.c + row * x.c_stride + panel * kPanel;
  const int64_t columns = x.columns - panel * kPanel;
  const bool whole = columns >= kPanels * kPanel;
  if (x.fresh) {
    tile.zero();
  } else if (whole) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
      for (int v = 0; v < tile.kVectors; ++v) tile.acc[r][v] = load(c + r * x.c_stride + v * kWidth);
  } else {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
      for (int v = 0; v < tile.kVectors; ++v) {
        const int64_t left = columns - v * kWidth;
        const float* at = c + r * x.c_stride + v * kWidth;
        tile.acc[r][v] = left >= kWidth ? load(at) : left > 0 ? load_partial(at, static_cast<int>(left)) : F{};
      }
  }
  if (x.row_scale) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
      for (int v = 0; v < tile.kVectors; ++v) tile.acc[r][v] = tile.acc[r][v] * x.row_scale[row + r];
  }
  const uint32_t* a = x.a + (kAcross ? row : row * x.a_stride);
  const bool in_rows = x.b_lies == Lying::rows;
  const int64_t panel_stride = in_rows ? kPanel : (kPairsOfB ? x.words / 2 : x.words) * kPanel;
  const int64_t b_row = in_rows ? x.b_row : kPanel;
  const uint32_t* b = x.b + panel * panel_stride;
  if constexpr (kPairsOfB)
    tile.run_pairs(a, b, x.words);
  else if (x.begins || x.ends)
    tile.run_bounded(x, a, b, panel_stride, b_row, row);
  else
    tile.run(a, x.a_stride, b, panel_stride, b_row, 0, x.words);
  if (whole) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
      for (int v = 0; v < tile.kVectors; ++v) store(c + r * x.c_stride + v * kWidth, tile.acc[r][v]);
  } else {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
      for (int v = 0; v < tile.kVectors; ++v) {
        const int64_t left = columns - v * kWidth;
        float* at = c + r * x.c_stride + v * kWidth;
        if (left >= kWidth)
          store(at, tile.acc[r][v]);
        else if (left > 0)
          store_partial(at, tile.acc[r][v], static_cast<int>(left));
      }
  }
}

template <Word kWord, bool kAcross>
void product_of(const RowProduct& x) {
  // Some lines with each tile: all at once they would wait for each other, and the products for them.
  const int64_t panels = (x.columns + kPanel - 1) / kPanel;
  int64_t share = 0, asked = 0;
  if (x.next_lines > 0) {
    const int64_t tiles = (x.rows + kTileRows - 1) / kTileRows * ((panels + kTilePanels - 1) / kTilePanels);
    share = tiles > 0 ? (x.next_lines + tiles - 1) / tiles : 0;
  }
  auto body = [&]<int kRows, int kPanels>(int64_t row, int64_t panel) __attribute__((always_inline)) {
    for (const int64_t end = asked + share < x.next_lines ? asked + share : x.next_lines; asked < end; ++asked)
      prefetch_far(static_cast<const char*>(x.next) + asked * 64);
    product_tile<kWord, kRows, kPanels, kAcross, false>(x, row, panel);
  };
  for_tiles(x.rows, panels, body);
}

#if !defined(__AVX512BF16__)
/// One row of A, of all its words, against panels of pairs.
void product_of_pairs(const RowProduct& x) {
  for (int64_t panel = 0; panel * kPanel < x.columns; ++panel) product_tile<Word::fp32, 1, 1, false, true>(x, 0, panel);
}
#endif

/// Scores become P; m and l move on, and strip.a holds what o is multiplied by. fresh: the first block of a segment.
template <Word kWord, class Sees>
NURI_INLINE void softmax_strip(Strip& strip, int64_t rows, const Sees& sees, bool fresh, float* m_of, float* l_of) {
  for (int64_t r = 0; r < rows; ++r) {
    const float m = row_max(strip.s + r * kBlockKeys, sees(r));
    strip.m[r] = fresh || m > m_of[r] ? m : m_of[r];
  }
  for (int64_t r = 0; r < rows; ++r) strip.sum[r] = row_exp<kWord>(strip.s + r * kBlockKeys, strip.m[r], sees(r));
  for (int64_t r = 0; r < rows; r += kWidth) {
    const int n = static_cast<int>(rows - r < kWidth ? rows - r : kWidth);
    const F m = load_partial(strip.m + r, n), sum = load_partial(strip.sum + r, n);
    if (fresh) {
      store_partial(l_of + r, sum, n);
    } else {
      const F a = exp_of_nonpositive(load_partial(m_of + r, n) - m);
      store_partial(l_of + r, fma(load_partial(l_of + r, n), a, sum), n);
      store(strip.a + r, a);
    }
    store_partial(m_of + r, m, n);
  }
}

template <Word kWord>
void attend_strip(const AttendTile& t, int64_t first, int64_t rows) {
  Strip strip;
  const int32_t* visible = t.visible ? t.visible + first : nullptr;
  const int n_parts = t.scores[1].words ? 2 : 1;
  if (t.key_rows)
    score_key_rows<kWord>(t.scores, n_parts, t.key_rows, first, rows, t.scale, strip.s);
  else
    score_rows<kWord>(t.scores, n_parts, first, rows, visible, t.scale, strip.s);
  const auto sees = [&](int64_t r) { return visible ? visible[r] : static_cast<int32_t>(kBlockKeys); };
  softmax_strip<kWord>(strip, rows, sees, t.first, t.m + first, t.l + first);
  RowProduct x;
  x.rows = rows;
  x.columns = t.value_panels * kPanel;
  x.words = t.value_words;
  x.a = reinterpret_cast<const uint32_t*>(strip.s);
  x.a_stride = kBlockKeys;
  x.b = t.values;
  x.b_lies = t.values_lie;
  x.b_row = t.value_row;
  x.c = t.o + first * t.o_stride;
  x.c_stride = t.o_stride;
  x.fresh = t.first;
  x.row_scale = t.first ? nullptr : strip.a;
  x.ends = visible;
  if (first == 0) x.next = t.next, x.next_lines = t.next_lines;
#if !defined(__AVX512BF16__)
  if (x.b_lies == Lying::pairs) return product_of_pairs(x);
#endif
  product_of<arithmetic(kWord), false>(x);
}

template <Word kWord>
void attend_rows(const AttendTile& t) {
  const int64_t step = t.key_rows ? kPanel : kStrip;
  for (int64_t r = 0; r < t.rows; r += step) attend_strip<kWord>(t, r, t.rows - r < step ? t.rows - r : step);
}

void attend(const AttendTile& t) { t.bf16 ? attend_rows<kBf16Word>(t) : attend_rows<Word::fp32>(t); }

#if defined(__AVX512BF16__)
void attend_latents(const LatentTile& t) {
  Strip strip;
  const bool one_group = t.heads <= kHeadGroup;
  const int64_t keys = one_group ? 2 * kQuadKeys : kQuadKeys;  // of a tile: eight chains hide their latency
  const int64_t tiles = (t.n_keys + keys - 1) / keys;
  const auto ahead_of = [&](const LatentKeys& part) {
    return Ahead(part.next, part.next_lines, tiles * part.columns / 8);
  };
  Ahead ahead[2] = {ahead_of(t.keys[0]), ahead_of(t.keys[1])};
  for (int64_t key = 0; key < t.n_keys; key += keys) {
    if (key + keys <= t.n_keys)
      one_group ? score_latents<2, 1, true>(t, key, ahead, strip.s) : score_latents<1, 2, true>(t, key, ahead, strip.s);
    else
      one_group ? score_latents<2, 1, false>(t, key, ahead, strip.s)
                : score_latents<1, 2, false>(t, key, ahead, strip.s);
  }
  const auto sees = [&](int64_t) { return static_cast<int32_t>(t.n_keys); };
  softmax_strip<Word::pair>(strip, t.heads, sees, t.first, t.m, t.l);
  switch (t.heads) {
    case 1:
      return add_all_values<1>(t, strip.s, strip.a);
    case 2:
      return add_all_values<2>(t, strip.s, strip.a);
    case 3:
      return add_all_values<3>(t, strip.s, strip.a);
    case 4:
      return add_all_values<4>(t, strip.s, strip.a);
    case 5:
      return add_all_values<5>(t, strip.s, strip.a);
    case 6:
      return add_all_values<6>(t, strip.s, strip.a);
    case 7:
      return add_all_values<7>(t, strip.s, strip.a);
    default:
      return add_all_values<8>(t, strip.s, strip.a);
  }
}
#else
constexpr void (*attend_latents)(const LatentTile&) = nullptr;
#endif

void product(const RowProduct& x) {
  constexpr Word kBf16Product = arithmetic(kBf16Word);
  if (x.bf16)
    x.across ? product_of<kBf16Product, true>(x) : product_of<kBf16Product, false>(x);
  else
    x.across ? product_of<Word::fp32, true>(x) : product_of<Word::fp32, false>(x);
}

void merge(const MergeRows& x) {
  for (int64_t r = 0; r < x.rows; ++r) {
    const float* o = x.o + r * x.o_stride;
    float* all_o = x.all_o + r * x.all_stride;
    if (x.first) {  // exp(m - M') is 1: L, O become l, o
      x.all_m[r] = x.m[r];
      x.all_l[r] = x.l[r];
      for (int64_t i = 0; i < x.columns; i += kWidth) store(all_o + i, load(o + i));
      continue;
    }
    const float m = x.m[r] > x.all_m[r] ? x.m[r] : x.all_m[r];
    const F a = exp_of_nonpositive(set1(x.all_m[r] - m)), c = exp_of_nonpositive(set1(x.m[r] - m));
    x.all_l[r] = fma1(x.all_l[r], a[0], x.l[r] * c[0]);
    x.all_m[r] = m;
    for (int64_t i = 0; i < x.columns; i += kWidth) store(all_o + i, fma(load(all_o + i), a, load(o + i) * c));
  }
}

void finish(const FinishRows& x) {
  for (int64_t r = 0; r < x.rows; r += kWidth) {
    const int n = static_cast<int>(x.rows - r < kWidth ? x.rows - r : kWidth);
    const F m = load_partial(x.m + r, n), l = load_partial(x.l + r, n, 1);
    store_partial(x.lse + r, m + log(l), n);
    store_partial(x.row_max + r, m + F{}, n);
  }
  for (int64_t r = 0; r < x.rows; ++r) {
    const F l = set1(x.l[r]);
    const float* o = x.o + r * x.o_stride;
    float* out = x.out[r];
    int64_t i = 0;
    for (; i + kWidth <= x.columns; i += kWidth) store(out + i, load(o + i) / l + F{});
    if (i < x.columns) store_partial(out + i, load(o + i) / l + F{}, static_cast<int>(x.columns - i));
  }
}

}  // namespace

const AttentionKernels attention_kernels = {kHasPairs,   attend,        merge,       finish,
                                            grad,        product,       dots,        pack_rows_of_a,
                                            pack_turned, pack_straight, split_pairs, attend_latents};

}  // namespace nuri::cpu::NURI_LEVEL
