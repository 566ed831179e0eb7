// Scores of a block, one level: queries against keys, or keys against queries.
#pragma once

#include "backend/cpu/kernels/attention_lanes.h"
#include "backend/cpu/kernels/attention_tiles.h"

namespace nuri::cpu::NURI_LEVEL {

template <Word kWord, int kRows, int kPanels>
NURI_TILE_CHECKS __attribute__((noinline)) void score_tile(const ChainPart* parts, int n_parts, int64_t row,
                                                           int64_t panel, float scale, float* s) {
  Tile<kWord, kRows, kPanels, false> tile;
  tile.zero();
  for (int i = 0; i < n_parts; ++i) {
    const ChainPart& part = parts[i];
    if constexpr (kRows == 1 && kPanels == 1 && !kHasPairs)
      if (part.b_lies == Lying::pairs) {
        tile.run_pairs(part.a + row * part.a_stride, part.b + panel * ((part.words + 1) / 2) * kPanel, part.words);
        continue;
      }
    tile.run(part.a + row * part.a_stride, part.a_stride, part.b + panel * part.words * kPanel, part.words * kPanel,
             kPanel, 0, part.words);
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
    for (int v = 0; v < tile.kVectors; ++v)
      store(s + (row + r) * kBlockKeys + panel * kPanel + v * kWidth, tile.acc[r][v] * scale);
}

/// s [rows, 64] = chains times scale, of rows first..first + rows. Row r needs visible[r] columns (null: 64); columns
/// that no row of a tile needs are left as they are.
template <Word kWord>
NURI_INLINE void score_rows(const ChainPart* parts, int n_parts, int64_t first, int64_t rows, const int32_t* visible,
                            float scale, float* s) {
  float* base = s - first * kBlockKeys;
  auto body = [&]<int kRows, int kPanels>(int64_t row, int64_t panel) __attribute__((always_inline)) {
    if (visible && visible[row + kRows - 1] <= panel * kPanel) return;
    score_tile<arithmetic(kWord), kRows, kPanels>(parts, n_parts, first + row, panel, scale, base);
  };
  if (!kHasPairs && parts[0].b_lies == Lying::pairs) {  // from memory: fastest in one stream, as they lie
    for (int64_t panel = 0; panel < kBlockKeys / kPanel; ++panel) body.template operator()<1, 1>(0, panel);
    return;
  }
  for_tiles(rows, kBlockKeys / kPanel, body);
}

// Where few rows meet a block that lies in rows (the heads of a decoded token share its key), the keys are rows of A
// and the queries a panel of B: heads are lanes, and keys need no turning; only the 64 x 16 scores do.

constexpr int kKeyRows = kTilePanels >= 4 ? 16 : kTileRows;  // of a tile: enough chains to hide their latency

template <Word kWord, int kRows>
NURI_TILE_CHECKS __attribute__((noinline)) void key_tile(const ChainPart* parts, int n_parts, int64_t row,
                                                         int64_t panel, float scale, float* s) {
  constexpr int kGroups = (kRows + 2) / 3;  // base, base + stride, base + 2 stride are one address register each
  F acc[kRows][kPanelVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
    for (int v = 0; v < kPanelVectors; ++v) acc[r][v] = F{};
  for (int i = 0; i < n_parts; ++i) {
    const ChainPart& part = parts[i];
    const int64_t stride = part.a_stride;
    const uint32_t* a[kGroups];
#pragma GCC unroll 16
    for (int g = 0; g < kGroups; ++g) a[g] = part.a + (row + 3 * g) * stride;
    const uint32_t* b = part.b + panel * part.words * kPanel;
    for (int64_t p = 0; p < part.words; ++p) {
      U bv[kPanelVectors];
#pragma GCC unroll 16
      for (int v = 0; v < kPanelVectors; ++v) bv[v] = load_u32(b + p * kPanel + v * kWidth);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const uint32_t av = a[r / 3][(r % 3) * stride + p];
#pragma GCC unroll 16
        for (int v = 0; v < kPanelVectors; ++v) acc[r][v] = multiply_add<kWord>(av, bv[v], acc[r][v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
    for (int v = 0; v < kPanelVectors; ++v) store(s + (row + r) * kPanel + v * kWidth, acc[r][v] * scale);
}

/// As score_rows for n_keys keys in rows, parts[i].a, and queries in panels of 16, parts[i].b. REQUIRES: first is a
/// multiple of 16, rows at most 16. Columns of keys that are not there are left as they are.
template <Word kWord>
NURI_INLINE void score_key_rows(const ChainPart* parts, int n_parts, int64_t n_keys, int64_t first, int64_t rows,
                                float scale, float* s) {
  constexpr Word kProduct = arithmetic(kWord);
  alignas(64) float turned[kBlockKeys * kPanel];
  const int64_t panel = first / kPanel;
  int64_t key = 0;
  for (; key + kKeyRows <= n_keys; key += kKeyRows)
    key_tile<kProduct, kKeyRows>(parts, n_parts, key, panel, scale, turned);
  if constexpr (kKeyRows > 8)
    if (key + 8 <= n_keys) key_tile<kProduct, 8>(parts, n_parts, key, panel, scale, turned), key += 8;
  if (key + 4 <= n_keys) key_tile<kProduct, 4>(parts, n_parts, key, panel, scale, turned), key += 4;
  if (key + 2 <= n_keys) key_tile<kProduct, 2>(parts, n_parts, key, panel, scale, turned), key += 2;
  if (key < n_keys) key_tile<kProduct, 1>(parts, n_parts, key, panel, scale, turned);
  for (int64_t at = 0; at < n_keys; at += kWidth)
    for (int64_t row = 0; row < rows; row += kWidth) {
      U block[kWidth];
#pragma GCC unroll 16
      for (int i = 0; i < kWidth; ++i) block[i] = load_u32(turned + (at + i) * kPanel + row);
      transpose(block);
      for (int i = 0; i < kWidth && row + i < rows; ++i) store_u32(s + (row + i) * kBlockKeys + at, block[i]);
    }
}

}  // namespace nuri::cpu::NURI_LEVEL
