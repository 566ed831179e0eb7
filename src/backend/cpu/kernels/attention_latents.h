// One decoded token whose few heads share keys that lie in memory as rows of BF16, one level with pairs: neither scores
// nor values copy the block first. Scores: a vector holds the same four pairs of four keys, a key in each quarter; one
// shuffle spreads a pair over its quarter, where it meets that pair of four heads. Values: two rows become pairs in
// registers, used at once by all heads.
#pragma once

#include "backend/cpu/kernels/attention_lanes.h"
#include "backend/cpu/kernels/attention_pack.h"
#include "backend/cpu/kernels/attention_tiles.h"

#if defined(__AVX512BF16__)
namespace nuri::cpu::NURI_LEVEL {

constexpr int kHeadGroup = 4;  // heads of a quarter
constexpr int kQuadKeys = 16;  // keys of four vectors: vector v holds keys v, 4 + v, 8 + v, 12 + v

/// In each quarter pair i of its four, the earlier element in the high half.
NURI_INLINE __m512i spread_pair(__m512i quarters, int i) {
  alignas(16) static constexpr uint8_t kOrder[4][16] = {
      {2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1},
      {6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5},
      {10, 11, 8, 9, 10, 11, 8, 9, 10, 11, 8, 9, 10, 11, 8, 9},
      {14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13}};
  const __m128i order = _mm_load_si128(reinterpret_cast<const __m128i*>(kOrder[i]));
  return _mm512_shuffle_epi8(quarters, _mm512_broadcast_i32x4(order));
}

/// Where the rows of 16 kSets keys lie. kWhole: all are there; else the last one stands for those that are not.
template <int kSets, bool kWhole>
struct KeyRows {
  const uint16_t* of[kWhole ? 4 * kSets : kQuadKeys * kSets];
  int64_t stride;

  static inline __attribute__((always_inline)) KeyRows make(const LatentKeys& keys, int64_t key, int64_t n_keys) {
    KeyRows rows;
    rows.stride = keys.stride;
    constexpr int kStep = kWhole ? 4 : 1;
#pragma GCC unroll 32
    for (int i = 0; i < kQuadKeys * kSets; i += kStep) {
      const int64_t at = kWhole || key + i < n_keys ? key + i : n_keys - 1;
      rows.of[i / kStep] = static_cast<const uint16_t*>(keys.data) + at * keys.stride;
    }
    return rows;
  }
  /// Four pairs from `at` on of key i.
  inline __attribute__((always_inline)) __m128i four_pairs(int i, int64_t at) const {
    const uint16_t* row = kWhole ? of[i / 4] + i % 4 * stride : of[i];
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + 2 * at));
  }
};

/// Adds the scores of 16 kSets keys from `key` on over one stretch of the chain. acc[set][group][v]: quarter j, lane h
/// is head 4 group + h with key 16 set + 4 j + v.
template <int kSets, int kGroups, bool kWhole>
NURI_INLINE void add_scores(const LatentKeys& keys, int64_t key, int64_t n_keys, Ahead& ahead,
                            __m512 (&acc)[kSets][kGroups][4]) {
  const auto rows = KeyRows<kSets, kWhole>::make(keys, key, n_keys);
  for (int64_t pair = 0; pair < keys.columns / 2; pair += 4) {
    ahead.ask();
    __m512i quarters[kSets][4];
#pragma GCC unroll 2
    for (int s = 0; s < kSets; ++s)
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) {
        const int first = s * kQuadKeys + v;
        // Masked: a load and a blend; inserting would take the ports of the shuffles below.
        __m512i x = _mm512_broadcast_i32x4(rows.four_pairs(first, pair));
        x = _mm512_mask_broadcast_i32x4(x, 0x00F0, rows.four_pairs(first + 4, pair));
        x = _mm512_mask_broadcast_i32x4(x, 0x0F00, rows.four_pairs(first + 8, pair));
        quarters[s][v] = _mm512_mask_broadcast_i32x4(x, 0xF000, rows.four_pairs(first + 12, pair));
      }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      __m512i q[kGroups];
#pragma GCC unroll 2
      for (int g = 0; g < kGroups; ++g)
        q[g] = _mm512_broadcast_i32x4(
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(keys.q + (pair + i) * kPanel + g * kHeadGroup)));
#pragma GCC unroll 2
      for (int s = 0; s < kSets; ++s)
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) {
          const __m512i k = spread_pair(quarters[s][v], i);
#pragma GCC unroll 2
          for (int g = 0; g < kGroups; ++g) acc[s][g][v] = _mm512_dpbf16_ps(acc[s][g][v], (__m512bh)q[g], (__m512bh)k);
        }
    }
  }
}

/// s [heads, 64]: chains times scale, of all heads with 16 kSets keys.
template <int kSets, int kGroups, bool kWhole>
__attribute__((noinline)) void score_latents(const LatentTile& t, int64_t key, Ahead* ahead, float* s) {
  __m512 acc[kSets][kGroups][4];
#pragma GCC unroll 2
  for (int set = 0; set < kSets; ++set)
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g)
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) acc[set][g][v] = _mm512_setzero_ps();
  for (int part = 0; part < 2; ++part)
    if (t.keys[part].columns) add_scores<kSets, kGroups, kWhole>(t.keys[part], key, t.n_keys, ahead[part], acc);
#pragma GCC unroll 2
  for (int set = 0; set < kSets; ++set)
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g) {
      // Quarters of four heads with four keys each are turned: a head's keys become one vector.
      __m512i x[4];
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) x[v] = _mm512_castps_si512(acc[set][g][v] * _mm512_set1_ps(t.scale));
      const __m512i a = low32(x[0], x[1]), b = high32(x[0], x[1]), c = low32(x[2], x[3]), d = high32(x[2], x[3]);
      const __m512i heads[4] = {low64(a, c), high64(a, c), low64(b, d), high64(b, d)};
#pragma GCC unroll 4
      for (int h = 0; h < kHeadGroup; ++h)
        if (g * kHeadGroup + h < t.heads)
          _mm512_store_si512(s + (g * kHeadGroup + h) * kBlockKeys + key + set * kQuadKeys, heads[h]);
    }
}

/// o [kHeads, 16 kVectors columns from `column` on] = (o times scale, or +0) + p v, over the keys of the block in
/// pairs.
template <int kHeads, int kVectors>
__attribute__((noinline)) void add_values(const LatentTile& t, const float* p, const float* row_scale, int64_t column) {
  const auto* rows = static_cast<const uint16_t*>(t.values) + column;
  const int64_t stride = t.value_stride;
  float* o = t.o + column;
  F acc[kHeads][kVectors];
#pragma GCC unroll 16
  for (int h = 0; h < kHeads; ++h)
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) acc[h][v] = t.first ? F{} : load(o + h * t.o_stride + v * kWidth) * row_scale[h];
  const auto* words = reinterpret_cast<const uint32_t*>(p);
  const auto add = [&](int64_t pair, const uint16_t* high, const uint16_t* low, __mmask32 there)
      __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int half = 0; half < kVectors; half += 2) {
      U b[2];
      pairs_of_rows(_mm512_loadu_si512(high + half * kWidth), _mm512_maskz_loadu_epi16(there, low + half * kWidth), b);
#pragma GCC unroll 16
      for (int h = 0; h < kHeads; ++h) {
        const uint32_t a = words[h * kBlockKeys + pair];
        acc[h][half] = multiply_add<Word::pair>(a, b[0], acc[h][half]);
        acc[h][half + 1] = multiply_add<Word::pair>(a, b[1], acc[h][half + 1]);
      }
    }
  };
  int64_t pair = 0;
  for (; 2 * pair + 1 < t.n_keys; ++pair, rows += 2 * stride) add(pair, rows, rows + stride, ~__mmask32{0});
  if (2 * pair < t.n_keys)
    add(pair, rows, rows, __mmask32{0});  // the missing half of p is -0: times +0 it adds nothing
#pragma GCC unroll 16
  for (int h = 0; h < kHeads; ++h)
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) store(o + h * t.o_stride + v * kWidth, acc[h][v]);
}

template <int kHeads>
NURI_INLINE void add_all_values(const LatentTile& t, const float* p, const float* row_scale) {
  constexpr int kVectors = kHeads <= 4 ? 4 : 2;
  int64_t column = 0;
  for (; column + kVectors * kWidth <= t.value_columns; column += kVectors * kWidth)
    add_values<kHeads, kVectors>(t, p, row_scale, column);
  if (column < t.value_columns) add_values<kHeads, 2>(t, p, row_scale, column);
}

}  // namespace nuri::cpu::NURI_LEVEL
#endif
