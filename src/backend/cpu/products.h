// What the driver of products (products.cpp) asks of a level. Plain structs only: kernel sources include this header
// once per level.
//
// A "word" is 32 bits of an input along k. B is the packed panels of backend/kernels.h, or panels of the same form made
// for one product. A is packed for one product, into rows of words, or where its memory rows are k into panels like
// those of B. FP32 products: one float a word; BF16 products: a pair of k a word where the level has the pair
// instruction, else one float (already rounded) a word, but for the packed weights, which are pairs on every level.
#pragma once

#include <stdint.h>

namespace nuri::cpu {

enum class Words : uint8_t {
  floats,   ///< FP32 as it is
  rounded,  ///< FP32 holding a BF16 value
  pairs,    ///< BF16 of k = 2p in the high half, of 2p+1 in the low half
};

/// Elements (o, k) of an operand, o being its outer axis (rows of A, columns of B).
struct PackSource {
  const void* data = nullptr;
  bool bf16 = false;              ///< else FP32
  int64_t stride = 0;             ///< elements between memory rows
  const int32_t* rows = nullptr;  ///< gather of memory rows; null: in order
  bool k_contiguous = false;      ///< memory row = o, column = k; else memory row = k, column = o
  int64_t k = 0;
};

/// A rectangle of an operand: outer elements [outer, outer + outer_count), outer a multiple of 16, and elements
/// [k, k + k_count) of k, k a multiple of kPackAlign; the end is that of the operand or a multiple too.
struct PackPart {
  int64_t outer = 0, outer_count = 0, k = 0, k_count = 0;
};
constexpr int64_t kPackAlign = 32;

/// C [rows, columns] from packed A and B: one tile row after another.
struct ProductBlock {
  bool pairs = false;  ///< B holds pairs of BF16, else floats
  int64_t rows = 0, columns = 0;
  int64_t words = 0;            ///< words of B along k: k, or (k + 1) / 2 of pairs
  int64_t tile_rows = 0;        ///< rows of a register tile, at most max_tile_rows (A in rows)
  bool a_turned = false;        ///< A lies in panels of 16 rows, word after word
  const uint32_t* a = nullptr;  ///< first word
  int64_t a_stride = 0;         ///< words between rows, or between panels
  const uint32_t* b = nullptr;  ///< first word of the first panel
  int64_t panel_stride = 0;     ///< words between panels
  float* c = nullptr;
  int64_t c_stride = 0;
  bool accumulate = false;
};

struct ProductKernels {
  bool pairs = false;  ///< A of BF16 products is packed as pairs, else as rounded floats
  int64_t max_tile_rows = 0;
  /// Elements `part` of A (memory rows are the outer axis) to rows of words; out is word 0 of row 0, stride (a multiple
  /// of 16 words) lies between rows. Words past k are +0 up to the next multiple of 16.
  void (*pack_rows)(const PackSource&, Words, const PackPart& part, uint32_t* out, int64_t stride) = nullptr;
  /// Elements `part` of A or B to panels; out is word 0 of panel 0, panel_stride words lie between panels. Columns past
  /// the end of the part are zero up to the next multiple of 16. The missing half of an odd last pair is -0 in B, so
  /// that its product with the +0 of A is -0, which adds nothing to any sum.
  void (*pack_panels)(const PackSource&, Words, bool is_b, const PackPart& part, uint32_t* out,
                      int64_t panel_stride) = nullptr;
  void (*multiply)(const ProductBlock&) = nullptr;
};

namespace portable {
extern const ProductKernels product_kernels;
}
namespace avx2 {
extern const ProductKernels product_kernels;
}
namespace avx512 {
extern const ProductKernels product_kernels;
}
namespace avx512_bf16 {
extern const ProductKernels product_kernels;
}

}  // namespace nuri::cpu
