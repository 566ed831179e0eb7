// Attention backward, one level: p and ds of a tile from the same scores as in the forward, written as the words that
// the products for dq, dk and dv read.
#include "backend/cpu/kernels/attention_grad.h"

#include "backend/cpu/kernels/attention_scores.h"

namespace nuri::cpu::NURI_LEVEL {
namespace {

constexpr int64_t kStrip = 4 * kTileRows;
static_assert(kStrip % 2 == 0, "pairs of rows stay in one strip");

/// p and ds of one row over its s and dp; -0 where a key is not visible, so that half a pair adds nothing.
NURI_INLINE void row_grad(float* s, float* dp, int32_t visible, float lse, float delta, float scale) {
  for (int v = 0; v < kBlockVectors; ++v) {
    F p = exp_of_nonpositive(load(s + v * kWidth) - set1(lse));
    F ds = (p * (load(dp + v * kWidth) - set1(delta))) * scale;
    if (visible < (v + 1) * kWidth) {
      const I seen = lanes_below(visible - v * kWidth);
      p = select(seen, p, set1(-0.0f));
      ds = select(seen, ds, set1(-0.0f));
    }
    store(s + v * kWidth, p);
    store(dp + v * kWidth, ds);
  }
}

/// Words of rows `even` and `even + 1` (or of `even` alone) from p and ds.
template <Word kWord>
NURI_INLINE void write_words(const GradTile& t, const float* p, const float* ds, int64_t even, bool alone) {
#if defined(__AVX512BF16__)
  if constexpr (kWord == Word::pair) {
    constexpr int64_t kAlong = kBlockKeys / 2;
#pragma GCC unroll 16
    for (int v = 0; v < kBlockVectors; ++v) {
      const F p0 = load(p + v * kWidth), ds0 = load(ds + v * kWidth);
      const F p1 = alone ? F{} : load(p + kBlockKeys + v * kWidth);  // packed B holds -0 there: the product is -0
      const F ds1 = alone ? F{} : load(ds + kBlockKeys + v * kWidth);
      if (t.ds_across) store_u32(t.ds_across + even / 2 * kBlockKeys + v * kWidth, pairs_across(ds0, ds1));
      if (t.p_across) store_u32(t.p_across + even / 2 * kBlockKeys + v * kWidth, pairs_across(p0, p1));
      if (t.both_across) {
        store_u32(t.both_across + even * kBlockKeys + v * kWidth, pairs_across(ds0, p0));
        if (!alone) store_u32(t.both_across + (even + 1) * kBlockKeys + v * kWidth, pairs_across(ds1, p1));
      }
      if (v % 2 == 0) {
        const int at = v / 2 * kWidth;
        store_u32(t.ds_along + even * kAlong + at, pairs_along(ds0, load(ds + (v + 1) * kWidth)));
        if (!alone)
          store_u32(t.ds_along + (even + 1) * kAlong + at, pairs_along(ds1, load(ds + kBlockKeys + (v + 1) * kWidth)));
      }
    }
    return;
  }
#endif
  for (int64_t r = 0; r < (alone ? 1 : 2); ++r) {
    for (int v = 0; v < kBlockVectors; ++v) {
      const int64_t from = r * kBlockKeys + v * kWidth, to = (even + r) * kBlockKeys + v * kWidth;
      const F pv = load(p + from), dsv = load(ds + from);
      const U p_word = kWord == Word::rounded ? round_bf16_bits(pv) : bits(pv);
      const U ds_word = kWord == Word::rounded ? round_bf16_bits(dsv) : bits(dsv);
      store_u32(t.ds_along + to, ds_word);  // also across: one memory
      if (t.p_across) store_u32(t.p_across + to, p_word);
      if (t.both_across) {
        uint32_t* both = t.both_across + 2 * (even + r) * kBlockKeys + v * kWidth;
        store_u32(both, ds_word);
        store_u32(both + kBlockKeys, p_word);
      }
    }
  }
}

template <Word kWord>
void grad_rows(const GradTile& t) {
  alignas(64) float s[kStrip * kBlockKeys], dp[kStrip * kBlockKeys];
  for (int64_t first = 0; first < t.rows; first += kStrip) {
    const int64_t rows = t.rows - first < kStrip ? t.rows - first : kStrip;
    const int32_t* visible = t.visible ? t.visible + first : nullptr;
    score_rows<kWord>(t.scores, t.scores[1].words ? 2 : 1, first, rows, visible, t.scale, s);
    score_rows<kWord>(&t.dp, 1, first, rows, visible, 1.0f, dp);
    for (int64_t r = 0; r < rows; ++r)
      row_grad(s + r * kBlockKeys, dp + r * kBlockKeys, visible ? visible[r] : static_cast<int32_t>(kBlockKeys),
               t.lse[first + r], t.delta[first + r], t.scale);
    for (int64_t r = 0; r < rows; r += 2)
      write_words<kWord>(t, s + r * kBlockKeys, dp + r * kBlockKeys, first + r, r + 1 == rows);
  }
}

}  // namespace

void grad(const GradTile& t) { t.bf16 ? grad_rows<kBf16Word>(t) : grad_rows<Word::fp32>(t); }

void dots(const RowDots& x) {
  for (int64_t r = 0; r < x.rows; ++r) {
    const float* a = x.x + r * x.stride;
    const float* b = x.y + r * x.stride;
    LaneSum sum = LaneSum::zero();
    for (int64_t i = 0; i < x.columns; i += kBlockKeys) {
#pragma GCC unroll 16
      for (int v = 0; v < LaneSum::kVectors; ++v) {
        const int64_t at = i + v * kWidth, left = x.columns - at;
        if (left >= kWidth) {
          sum.lane[v] = sum.lane[v] + load(a + at) * load(b + at);
        } else if (left > 0) {
          const int n = static_cast<int>(left);
          sum.lane[v] = sum.lane[v] + load_partial(a + at, n) * load_partial(b + at, n);
        }
      }
    }
    x.sums[r * x.sums_stride] = sum.total();
  }
}

}  // namespace nuri::cpu::NURI_LEVEL
