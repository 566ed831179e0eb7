// What the drivers of attention (attention.cpp, attention_grad.cpp) ask of a level. Plain structs only: kernel sources
// include this header once per level.
//
// Operands are words of 32 bits along the depth of a product: A in rows, B in panels of 16 columns, panel after panel,
// 16 words for each word of depth. FP32 runs: a word is a float. BF16 runs: a pair of elements where the level has the
// pair instruction (the earlier one in the high half, which it adds first), else a float that holds a BF16 value.
#pragma once

#include <stdint.h>

namespace nuri::cpu {

inline constexpr int64_t kBlockKeys = 64;  ///< keys of a block: columns of a tile of scores

/// How B lies.
enum class Lying : uint8_t {
  panels,  ///< as above
  rows,    ///< words are floats: one word of depth after the other, some words apart (of a product, not of scores)
  pairs,   ///< panels of pairs though the level's words are floats: taken apart on the way (one row of A)
};

/// One stretch of a chain over words: rows of A against panels of B that are `words` deep (pairs: half of that).
struct ChainPart {
  const uint32_t* a = nullptr;
  int64_t a_stride = 0;
  const uint32_t* b = nullptr;
  int64_t words = 0;
  Lying b_lies = Lying::panels;
};

/// n rows of elements in memory.
struct PackMatrix {
  const void* data = nullptr;
  bool bf16 = false;   ///< else FP32
  int64_t stride = 0;  ///< elements between rows
  int64_t rows = 0, columns = 0;
  const void* ahead = nullptr;  ///< of the matrix that will be packed next: asked for meanwhile (rows, turned)
  int64_t ahead_lines = 0;      ///< of 64 bytes
};

/// Rows of queries meet one block of keys: scores, softmax, values (ARCHITECTURE.md, "Attention").
struct AttendTile {
  bool bf16 = false;
  int64_t rows = 0;
  const int32_t* visible = nullptr;  ///< [rows] keys of the block that a row sees, 1..64, ascending; null: all 64
  ChainPart scores[2];               ///< q . k, then q . k_shared (words 0: none)
  int64_t key_rows = 0;  ///< not 0: the scores' A are so many keys in rows, their B the queries in panels of 16 rows
  float scale = 1;
  const uint32_t* values = nullptr;  ///< V, value_words deep: at least the keys that rows see
  int64_t value_words = 0, value_panels = 0;
  Lying values_lie = Lying::panels;
  int64_t value_row = 0;       ///< of values in rows: words between them
  const void* next = nullptr;  ///< lines that the next block will read: asked for as the values are multiplied
  int64_t next_lines = 0;
  bool first = false;  ///< first block of the segment: m, l, o are written
  float* m = nullptr;  ///< [rows]
  float* l = nullptr;  ///< [rows]
  float* o = nullptr;  ///< [rows, o_stride], value_panels * 16 columns used
  int64_t o_stride = 0;
};

/// One stretch of the keys of a LatentTile: rows of `columns` BF16 elements (a multiple of 8; 0: none) where they lie.
struct LatentKeys {
  const void* data = nullptr;
  int64_t stride = 0;  ///< elements between rows
  int64_t columns = 0;
  const uint32_t* q = nullptr;  ///< pairs of the heads as a panel of B: [columns / 2, 16]
  const void* next = nullptr;   ///< lines of 64 bytes to ask for meanwhile: this stretch of the next block
  int64_t next_lines = 0;
};
/// As AttendTile for up to kLatentHeads heads of one query that share keys and values in rows of BF16, all seen.
struct LatentTile {
  int64_t heads = 0, n_keys = 0;
  LatentKeys keys[2];
  float scale = 1;
  const void* values = nullptr;
  int64_t value_stride = 0;
  int64_t value_columns = 0;  ///< a multiple of 32
  bool first = false;
  float* m = nullptr;
  float* l = nullptr;
  float* o = nullptr;
  int64_t o_stride = 0;
};
inline constexpr int64_t kLatentHeads = 8;

/// A segment's (m, l, o) joins the finished ones; first: they are those of the segment.
struct MergeRows {
  int64_t rows = 0, columns = 0;  ///< columns: a multiple of 16
  bool first = false;
  const float* m = nullptr;
  const float* l = nullptr;
  const float* o = nullptr;
  int64_t o_stride = 0;
  float* all_m = nullptr;
  float* all_l = nullptr;
  float* all_o = nullptr;
  int64_t all_stride = 0;
};

/// out = O / L + 0, lse = M + log(L), row_max = M + 0.
struct FinishRows {
  int64_t rows = 0, columns = 0;
  const float* m = nullptr;
  const float* l = nullptr;
  const float* o = nullptr;
  int64_t o_stride = 0;
  float* const* out = nullptr;  ///< [rows] where each row's `columns` go
  float* lse = nullptr;         ///< [rows]
  float* row_max = nullptr;     ///< [rows]
};

/// p and ds of rows of queries against one block of keys, as words for the three products that follow.
struct GradTile {
  bool bf16 = false;
  int64_t rows = 0;
  const int32_t* visible = nullptr;  ///< as in AttendTile
  ChainPart scores[2];
  ChainPart dp;  ///< dout . v
  float scale = 1;
  const float* lse = nullptr;    ///< [rows]
  const float* delta = nullptr;  ///< [rows] row_sum(dout out)
  /// ds along keys [rows, 32 words of pairs or 64], for dq.
  uint32_t* ds_along = nullptr;
  /// ds and p across queries, for dk and dv: [pairs of rows or rows, 64 keys]; may be ds_along where words are floats.
  uint32_t* ds_across = nullptr;
  uint32_t* p_across = nullptr;
  /// ds and p of a row one after the other, [rows, 64] of pairs (ds, p) or [2 rows, 64]; null: not wanted.
  uint32_t* both_across = nullptr;
};

/// C [rows, columns] += A B, one chain per element, over `words` words; or only over a part of them for each row.
struct RowProduct {
  bool bf16 = false;
  int64_t rows = 0, columns = 0, words = 0;
  const uint32_t* a = nullptr;
  int64_t a_stride = 0;
  bool across = false;          ///< word p of row r is a[p * a_stride + r], else a[r * a_stride + p]
  const uint32_t* b = nullptr;  ///< `words` deep
  Lying b_lies = Lying::panels;
  int64_t b_row = 0;  ///< of B in rows: words between them
  float* c = nullptr;
  int64_t c_stride = 0;
  bool fresh = false;                ///< chains start at +0, else at what is in C
  const float* row_scale = nullptr;  ///< [rows] C is multiplied by this before; null: not
  const int32_t* begins = nullptr;   ///< [rows] first element of a row's chain, ascending; null: 0
  const int32_t* ends = nullptr;     ///< [rows] end of a row's chain in elements, ascending; null: all
  const void* next = nullptr;        ///< lines of 64 bytes to ask for meanwhile
  int64_t next_lines = 0;
};

/// delta[r] = row_sum(x[r] * y[r]).
struct RowDots {
  int64_t rows = 0, columns = 0;
  const float* x = nullptr;
  const float* y = nullptr;
  int64_t stride = 0;
  float* sums = nullptr;
  int64_t sums_stride = 0;
};

struct AttentionKernels {
  bool pairs = false;  ///< words of BF16 runs are pairs
  void (*attend)(const AttendTile&) = nullptr;
  void (*merge)(const MergeRows&) = nullptr;
  void (*finish)(const FinishRows&) = nullptr;
  void (*grad)(const GradTile&) = nullptr;
  void (*product)(const RowProduct&) = nullptr;
  void (*dots)(const RowDots&) = nullptr;
  // Packing into the words of an FP32 or a BF16 run. The missing half of an odd pair is +0 in rows of A and -0 in B:
  // the product is -0, which adds nothing to any sum. Columns of B that are not there are zero up to a whole panel.
  void (*pack_rows)(bool bf16, const PackMatrix&, uint32_t* out, int64_t stride) = nullptr;  ///< A, stride words a row
  void (*pack_turned)(bool bf16, const PackMatrix&, uint32_t* out) = nullptr;    ///< B: the rows are its columns
  void (*pack_straight)(bool bf16, const PackMatrix&, uint32_t* out) = nullptr;  ///< B: the rows are its depth
  /// Panels of pairs, for `depth` elements, to panels of floats.
  void (*split_pairs)(const uint32_t* pairs, int64_t panels, int64_t depth, uint32_t* out) = nullptr;
  void (*attend_latents)(const LatentTile&) = nullptr;  ///< null: not at this level
};

namespace portable {
extern const AttentionKernels attention_kernels;
}
namespace avx2 {
extern const AttentionKernels attention_kernels;
}
namespace avx512 {
extern const AttentionKernels attention_kernels;
}
namespace avx512_bf16 {
extern const AttentionKernels attention_kernels;
}

}  // namespace nuri::cpu
