// Products: both precisions and input types, A and B transposed or not, gathered rows, accumulation, packed matrices
// and parts of them, several items in one call.
#include "backend/selftest_entries.h"

namespace nuri::selftest {
namespace {

/// An [r, c] operand of either type; memory as the flags say.
struct Matrix {
  std::vector<float> wide;
  std::vector<uint16_t> narrow;
  std::vector<int32_t> rows;
  Operand operand;

  Matrix(int64_t r, int64_t c, uint64_t stream, bool bf16, bool transposed, bool gathered) {
    const int64_t memory_rows = transposed ? c : r, stride = (transposed ? r : c) + 3;
    wide = numbers(memory_rows * stride, stream);
    if (bf16) narrow = rounded(wide);
    operand = {.data = bf16 ? static_cast<const void*>(narrow.data()) : wide.data(),
               .dtype = bf16 ? DType::bf16 : DType::f32,
               .stride = stride,
               .transposed = transposed};
    if (!gathered) return;
    rows = integers(memory_rows, stream + 1, memory_rows);
    operand.rows = rows.data();
  }
  Matrix(const Matrix&) = delete;
  Matrix& operator=(const Matrix&) = delete;
};

struct Shape {
  int64_t m, n, k;
};
constexpr Shape kShapes[] = {{1, 65, 129}, {2, 16, 64}, {3, 33, 31}, {7, 48, 257}, {33, 65, 96}, {70, 100, 131}};

bool products(BitHash& hash, Precision precision, bool bf16_inputs) {
  if (!kernels().products) return false;
  uint64_t stream = 100;
  for (const Shape& s : kShapes) {
    for (int variant = 0; variant < 4; ++variant, stream += 8) {
      const Matrix a(s.m, s.k, stream, bf16_inputs, variant == 1, variant == 2);
      const Matrix b(s.k, s.n, stream + 2, bf16_inputs, variant != 3, variant == 2);
      std::vector<float> c = numbers(s.m * (s.n + 1), stream + 4);
      const ProductArgs item{.precision = precision,
                             .m = s.m,
                             .n = s.n,
                             .k = s.k,
                             .a = a.operand,
                             .b = b.operand,
                             .c = c.data(),
                             .c_stride = s.n + 1,
                             .accumulate = variant >= 2};
      kernels().products({&item, 1});
      hash.add(c);
    }
  }
  return true;
}

/// One packed matrix, used whole and in part, by three items of different numbers of rows.
bool packed_products(BitHash& hash, Precision precision) {
  if (!kernels().products || !kernels().pack) return false;
  constexpr int64_t kK = 133, kN = 71;
  const Matrix b(kK, kN, 400, precision == Precision::bf16, true, false);
  PackedMatrix packed{.precision = precision, .k = kK, .n = kN};
  const size_t bytes = packed_bytes(precision, kK, kN);
  packed.data = allocate(bytes, Owner::scratch);
  const PackArgs pack{.source = b.operand, .packed = &packed};
  kernels().pack({&pack, 1});
  const Matrix a(47, kK, 402, false, false, false);
  std::vector<float> whole = room(1 * kN), part = room(47 * 19), deep = room(5 * 23);
  const ProductArgs items[] = {{.precision = precision,
                                .m = 1,
                                .n = kN,
                                .k = kK,
                                .a = a.operand,
                                .packed = &packed,
                                .c = whole.data(),
                                .c_stride = kN},
                               {.precision = precision,
                                .m = 47,
                                .n = 19,
                                .k = kK,
                                .a = a.operand,
                                .packed = &packed,
                                .packed_column = 32,
                                .c = part.data(),
                                .c_stride = 19},
                               {.precision = precision,
                                .m = 5,
                                .n = 23,
                                .k = 99,
                                .a = a.operand,
                                .packed = &packed,
                                .packed_column = 48,
                                .packed_k = 34,
                                .c = deep.data(),
                                .c_stride = 23}};
  kernels().products(std::span<const ProductArgs>(items, 3));
  hash.add(whole), hash.add(part), hash.add(deep);
  release(packed.data, bytes, Owner::scratch);
  return true;
}

constexpr Entry kEntries[] = {
    {"kernel/products_f32", [](BitHash& h) { return products(h, Precision::f32, false); }},
    {"kernel/products_f32_of_bf16", [](BitHash& h) { return products(h, Precision::f32, true); }},
    {"kernel/products_bf16", [](BitHash& h) { return products(h, Precision::bf16, false); }},
    {"kernel/products_bf16_of_bf16", [](BitHash& h) { return products(h, Precision::bf16, true); }},
    {"kernel/products_packed_f32", [](BitHash& h) { return packed_products(h, Precision::f32); }},
    {"kernel/products_packed_bf16", [](BitHash& h) { return packed_products(h, Precision::bf16); }},
};

}  // namespace

std::span<const Entry> product_entries() { return kEntries; }

}  // namespace nuri::selftest
