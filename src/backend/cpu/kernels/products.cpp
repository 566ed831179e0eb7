// Matrix product of one level: register tiles over packed operands.
//
// A tile holds kRows x 16 kPanels accumulators. For each word of k it loads the panels' vectors once and broadcasts one
// word of each row of A: c = fma(a_k, b_k, c), k ascending, in every lane. Tiles of few rows take more panels, so that
// enough independent chains hide the latency of the multiply-add.
#include "backend/cpu/products.h"

#include "backend/cpu/kernels/products_pack.h"
#include "backend/cpu/kernels/simd.h"

namespace nuri::cpu::NURI_LEVEL {
namespace {

constexpr int kPanel = 16;
constexpr int kPanelVectors = kPanel / kWidth;
// Words of k per pass over a block of C. Long passes, because loading and storing C costs more than streaming the
// panels from the second cache.
constexpr int64_t kBlockWords = kWidth == 16 ? 512 : 384;

#if defined(__AVX512F__)
constexpr int kMaxRows = 14, kMaxTurnedRows = 8;
constexpr int max_panels(int rows) { return rows <= 4 ? 4 : 2; }
#elif defined(__AVX2__)
constexpr int kMaxRows = 6, kMaxTurnedRows = 6;
constexpr int max_panels(int rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }
#else
constexpr int kMaxRows = 3, kMaxTurnedRows = 3;
constexpr int max_panels(int) { return 1; }
#endif

constexpr int64_t kTileWords = 6144;  // of the rows of A that stay in the first cache through a pass of a single tile
// Words of a panel that are asked for ahead into the first cache: one panel at a time is one stream, too little for
// what memory can do. With AVX-512, tiles of few rows take four: a Xeon, which chooses the level without the pair
// instruction, still gains a fifth, a Zen 5, which chooses the level with it, loses a tenth.
#if defined(__AVX512BF16__)
constexpr int kAhead = 0;
#else
constexpr int kAhead = 32;
#endif
// Whether a tile asks for the panels after its own into the second cache, so that they are there when their turn comes:
// the processor looks too short a way ahead of tiles that multiply long. Tiles that read the same panels share the
// asking, since a core can wait for few lines at a time. Tiles of few rows only read, and lose by it.
constexpr bool asks_for_later_panels(int rows) { return kWidth == 16 ? rows > 4 : kWidth == 8 && rows > 3; }

enum class Arithmetic { fp32, bf16_pairs, bf16_widened };
#if defined(__AVX512BF16__)
constexpr bool kPairs = true;
#else
constexpr bool kPairs = false;
#endif
constexpr Arithmetic kBf16 = kPairs ? Arithmetic::bf16_pairs : Arithmetic::bf16_widened;

// Parts of a pass between which the lines of the next tile of C are asked for: many at a time would wait for each
// other, but each part ends in a jump that is not foreseen.
constexpr int kSegments = kWidth == 16 ? 4 : 1;

struct Tile {
  const uint32_t* a;
  int64_t a_stride;
  const uint32_t* b;
  int64_t panel_stride;
  int64_t words;
  float* c;
  int64_t c_stride;
  int64_t columns;
  bool load_c;
  const float* next_c;        // of the tile that follows
  const uint8_t* later_b[2];  // this tile's share of the panels that follow, or its own panel where it asks for nothing
  int64_t later_step;         // bytes further for each word
};

NURI_INLINE float as_float(uint32_t word) { return __builtin_bit_cast(float, word); }

#if defined(__AVX2__) && !defined(__AVX512F__)
alignas(32) constexpr uint32_t kUpperHalves[8] = {0xFFFF0000u, 0xFFFF0000u, 0xFFFF0000u, 0xFFFF0000u,
                                                  0xFFFF0000u, 0xFFFF0000u, 0xFFFF0000u, 0xFFFF0000u};
/// The mask stays in memory: tiles of six rows have no register left for it.
NURI_INLINE U upper_halves(U pair) {
  U out;
  asm("vpand %1, %2, %0" : "=x"(out) : "m"(kUpperHalves), "x"(pair));
  return out;
}
#else
NURI_INLINE U upper_halves(U pair) { return pair & 0xFFFF0000u; }
#endif

/// c + the products of one word (or pair) of A, broadcast, with the panel's vector.
template <Arithmetic kArithmetic>
NURI_INLINE F add_product(uint32_t a, U b, F c) {
#if defined(__AVX512BF16__)
  if constexpr (kArithmetic == Arithmetic::bf16_pairs)
    return reinterpret_cast<F>(
        _mm512_dpbf16_ps(reinterpret_cast<__m512>(c), (__m512bh)_mm512_set1_epi32(static_cast<int>(a)), (__m512bh)b));
#endif
  return fma(set1(as_float(a)), from_bits(b), c);
}

template <Arithmetic kArithmetic, int kRows, int kPanels, bool kTurned>
NURI_TILE_CHECKS void run_tile(const Tile& t) {
  constexpr int kVectors = kPanels * kPanelVectors;
  F acc[kRows][kVectors];
  const bool whole = t.columns >= kPanels * kPanel;
  if (!t.load_c) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) acc[i][v] = F{};
  } else if (whole) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) acc[i][v] = load(t.c + i * t.c_stride + v * kWidth);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        const int64_t left = t.columns - v * kWidth;
        acc[i][v] = left >= kWidth ? load(t.c + i * t.c_stride + v * kWidth)
                    : left > 0     ? load_partial(t.c + i * t.c_stride + v * kWidth, static_cast<int>(left))
                                   : F{};
      }
  }

  // Rows in groups of three: base, base + stride, base + 2 stride are one address register each. Turned: side by side.
  constexpr int kGroups = kTurned ? 1 : (kRows + 2) / 3;
  constexpr int kWordStride = kTurned ? kPanel : 1;
  const int64_t stride = t.a_stride;
  const uint32_t* a[kGroups];
#pragma GCC unroll 16
  for (int g = 0; g < kGroups; ++g) a[g] = t.a + 3 * g * stride;
  const auto a_word = [&](int row, int word) __attribute__((always_inline)) {
    return kTurned ? a[0][word * kWordStride + row] : a[row / 3][(row % 3) * stride + word];
  };
  const uint32_t* b[kPanels];
#pragma GCC unroll 16
  for (int q = 0; q < kPanels; ++q) b[q] = t.b + q * t.panel_stride;

  // Panels whose vectors are held while the rows pass: all where registers allow.
  constexpr int kAtOnce = kWidth == 16 ? kPanels : 1;
  int64_t p = 0, later = 0;
  for (int segment = 1; segment <= kSegments; ++segment) {
    // The next tile's lines of C come meanwhile, some at a time.
    for (int i = (segment - 1) * kRows / kSegments; i < segment * kRows / kSegments; ++i) {
      __builtin_prefetch(t.next_c + i * t.c_stride, 1);
      if (kPanels >= 2) __builtin_prefetch(t.next_c + i * t.c_stride + kPanel, 1);
    }
    for (const int64_t end = t.words * segment / kSegments; p < end; ++p) {
#pragma GCC unroll 16
      for (int q = 0; q < kPanels && kAhead > 0; ++q) __builtin_prefetch(b[q] + kAhead * kPanel);
      if constexpr (asks_for_later_panels(kRows)) {
        __builtin_prefetch(t.later_b[0] + later, 0, 2);
        if constexpr (kPanels >= 2) __builtin_prefetch(t.later_b[1] + later, 0, 2);
        later += t.later_step;
      }
      if constexpr (kArithmetic == Arithmetic::bf16_widened) {
#pragma GCC unroll 16
        for (int part = 0; part < 2 * kPanels / kAtOnce; ++part) {
          // Of a half of the words: some panels at once. The second half loads the pairs again: holding them would
          // spill.
          const int half = part / (kPanels / kAtOnce), first = part % (kPanels / kAtOnce) * kAtOnce * kPanelVectors;
          F bv[kAtOnce * kPanelVectors];
#pragma GCC unroll 16
          for (int v = 0; v < kAtOnce * kPanelVectors; ++v) {
            const U pair = load_u32(b[(first + v) / kPanelVectors] + ((first + v) % kPanelVectors) * kWidth);
            bv[v] = from_bits(half == 0 ? upper_halves(pair) : pair << 16);
          }
          asm volatile("" ::: "memory");
#pragma GCC unroll 16
          for (int i = 0; i < kRows; ++i) {
            const F av = set1(as_float(a_word(i, half)));
#pragma GCC unroll 16
            for (int v = 0; v < kAtOnce * kPanelVectors; ++v) acc[i][first + v] = fma(av, bv[v], acc[i][first + v]);
          }
        }
      } else {
        U bv[kVectors];
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) bv[v] = load_u32(b[v / kPanelVectors] + (v % kPanelVectors) * kWidth);
#pragma GCC unroll 16
        for (int i = 0; i < kRows; ++i) {
          const uint32_t av = a_word(i, 0);
#pragma GCC unroll 16
          for (int v = 0; v < kVectors; ++v) acc[i][v] = add_product<kArithmetic>(av, bv[v], acc[i][v]);
        }
      }
#pragma GCC unroll 16
      for (int g = 0; g < kGroups; ++g) a[g] += (kArithmetic == Arithmetic::bf16_widened ? 2 : 1) * kWordStride;
#pragma GCC unroll 16
      for (int q = 0; q < kPanels; ++q) b[q] += kPanel;
    }
  }

  if (whole) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) store(t.c + i * t.c_stride + v * kWidth, acc[i][v]);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        const int64_t left = t.columns - v * kWidth;
        float* c = t.c + i * t.c_stride + v * kWidth;
        if (left >= kWidth)
          store(c, acc[i][v]);
        else if (left > 0)
          store_partial(c, acc[i][v], static_cast<int>(left));
      }
  }
}

using RunTile = void (*)(const Tile&);
struct TileTable {
  RunTile run[kMaxRows + 1][3] = {};  // by rows and log2 of panels
};

template <Arithmetic kArithmetic, bool kTurned, int kRows>
constexpr void fill(TileTable& table) {
  table.run[kRows][0] = run_tile<kArithmetic, kRows, 1, kTurned>;
  if constexpr (max_panels(kRows) >= 2) table.run[kRows][1] = run_tile<kArithmetic, kRows, 2, kTurned>;
  if constexpr (max_panels(kRows) >= 4) table.run[kRows][2] = run_tile<kArithmetic, kRows, 4, kTurned>;
  if constexpr (kRows < (kTurned ? kMaxTurnedRows : kMaxRows)) fill<kArithmetic, kTurned, kRows + 1>(table);
}
template <Arithmetic kArithmetic, bool kTurned>
constexpr TileTable make_table() {
  TileTable table;
  fill<kArithmetic, kTurned, 1>(table);
  return table;
}
constexpr TileTable kTiles[2][2] = {  // by precision and order of A
    {make_table<Arithmetic::fp32, false>(), make_table<Arithmetic::fp32, true>()},
    {make_table<kBf16, false>(), make_table<kBf16, true>()}};

// Tiles that share the asking for the panels that follow: a core waits for few lines at a time, and more tiles would
// only ask again for lines that are there.
constexpr int64_t kAsking = 4;
constexpr int64_t tiles_of(int64_t rows, int64_t at_most) { return (rows + at_most - 1) / at_most; }
/// The next of so many parts, which differ by one at most.
constexpr int64_t equal_part(int64_t n, int64_t parts) { return (n + parts - 1) / parts; }

void multiply(const ProductBlock& block) {
  const int64_t a_words = block.pairs && !kPairs ? 2 : 1;  // words of A per word of B
  // Turned A lies in panels of 16 rows, cut into tiles of about equal height.
  const int64_t height = block.rows < kPanel ? block.rows : kPanel, cuts = tiles_of(height, kMaxTurnedRows);
  const int64_t tile_rows = block.a_turned ? equal_part(height, cuts) : block.tile_rows;
  const TileTable& table = kTiles[block.pairs][block.a_turned];
  const int panels_wanted = max_panels(static_cast<int>(tile_rows));
  // Of equal length. Where a single tile reads each panel, panels come from memory, best in long runs.
  const int64_t alone = block.rows > tile_rows ? 0 : kTileWords / ((block.rows > 1 ? block.rows : 1) * a_words);
  const int64_t longest = alone > kBlockWords ? alone : kBlockWords;
  const int64_t passes = (block.words + longest - 1) / longest;
  const int64_t pass_words = passes > 1 ? (block.words + passes - 1) / passes : longest;
  constexpr int64_t kWordBytes = kPanel * 4;
  const int64_t tiles = block.a_turned ? block.rows / kPanel * cuts + tiles_of(block.rows % kPanel, kMaxTurnedRows)
                                       : tiles_of(block.rows, tile_rows);  // that read a panel
  for (int64_t p = 0; p == 0 || p < block.words; p += pass_words) {
    const int64_t words = block.words - p < pass_words ? block.words - p : pass_words;
    Tile tile;
    tile.a_stride = block.a_stride;
    tile.panel_stride = block.panel_stride;
    tile.words = words;
    tile.c_stride = block.c_stride;
    tile.load_c = block.accumulate || p > 0;
    for (int64_t j = 0, width; j < block.columns; j += width * kPanel) {
      const int64_t left = (block.columns - j + kPanel - 1) / kPanel;
      const int level = panels_wanted >= 4 && left >= 4 ? 2 : panels_wanted >= 2 && left >= 2 ? 1 : 0;
      width = int64_t(1) << level;
      tile.b = block.b + j / kPanel * block.panel_stride + p * kPanel;
      tile.columns = block.columns - j;
      // What follows: panels of this pass, of the next one, or nothing.
      const int64_t following = left - width;
      const int64_t pass_after = p + words;
      const uint32_t* const next_b = following > 0              ? tile.b + width * block.panel_stride
                                     : pass_after < block.words ? block.b + pass_after * kPanel
                                                                : tile.b;
      const int64_t asking = tiles < kAsking ? tiles : kAsking;
      tile.later_step = equal_part(kWordBytes, asking);
      for (int64_t i = 0, t = 0, rows; i < block.rows; i += rows, ++t) {
        if (block.a_turned) {
          const int64_t in_panel = i % kPanel, left_of_panel = kPanel - in_panel;
          rows = block.rows - i < left_of_panel ? block.rows - i : left_of_panel;
          rows = equal_part(rows, tiles_of(rows, kMaxTurnedRows));
          tile.a = block.a + i / kPanel * block.a_stride + p * a_words * kPanel + in_panel;
        } else {
          rows = equal_part(block.rows - i, tiles - t);
          tile.a = block.a + i * block.a_stride + p * a_words;
        }
        tile.c = block.c + i * block.c_stride + j;
        tile.next_c = i + rows < block.rows ? tile.c + rows * block.c_stride : block.c + j + width * kPanel;
        for (int64_t q = 0; q < 2; ++q) {
          const uint32_t* panel = t >= asking ? tile.b : q < following ? next_b + q * block.panel_stride : next_b;
          tile.later_b[q] = reinterpret_cast<const uint8_t*>(panel) + (t < asking ? t : 0) * words * tile.later_step;
        }
        table.run[rows][level](tile);
      }
    }
  }
}

}  // namespace

const ProductKernels product_kernels = {kPairs, kMaxRows, pack_rows, pack_panels, multiply};

}  // namespace nuri::cpu::NURI_LEVEL
