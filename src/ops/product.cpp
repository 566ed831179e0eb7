#include "ops/product.h"

#include "ops/element.h"

namespace nuri {

namespace reference {
namespace {

/// Element (row, column) of an operand.
float element_of(const Operand& x, int64_t row, int64_t column) {
  const int64_t r = x.transposed ? column : row, c = x.transposed ? row : column;
  return element(x.data, x.dtype, (x.rows ? x.rows[r] : r) * x.stride + c);
}

/// Element (k, n) of a packed matrix (layout: PackedMatrix).
float element_of(const PackedMatrix& b, int64_t k, int64_t n) {
  const bool bf16 = b.precision == Precision::bf16;
  const int64_t depth = bf16 ? (b.k + 1) / 2 : b.k, word_row = bf16 ? k / 2 : k;
  const int64_t at = (n / kPanelColumns * depth + word_row) * kPanelColumns + n % kPanelColumns;
  if (!bf16) return static_cast<const float*>(b.data)[at];
  const uint32_t pair = static_cast<const uint32_t*>(b.data)[at];
  return x1::from_bf16(static_cast<uint16_t>(k % 2 == 0 ? pair >> 16 : pair & 0xFFFFu));
}

}  // namespace

template <class T>
T chain(const ProductArgs& args, int64_t row, int64_t column, T c) {
  for (int64_t k = 0; k < args.k; ++k) {
    T a = element_of(args.a, row, k);
    T b = args.packed ? element_of(*args.packed, args.packed_k + k, args.packed_column + column)
                      : element_of(args.b, k, column);
    if (args.precision == Precision::bf16) a = x1::round_bf16(a), b = x1::round_bf16(b);
    c = x1::fma(a, b, c);
  }
  return c;
}

template <class T>
void products(std::span<const ProductArgs> items) {
  for (const ProductArgs& args : items)
    for (int64_t i = 0; i < args.m; ++i)
      for (int64_t j = 0; j < args.n; ++j) {
        float& c = args.c[i * args.c_stride + j];
        c = static_cast<float>(chain<T>(args, i, j, args.accumulate ? static_cast<T>(c) : T(0)));
      }
}

template float chain<float>(const ProductArgs&, int64_t, int64_t, float);
template double chain<double>(const ProductArgs&, int64_t, int64_t, double);
template void products<float>(std::span<const ProductArgs>);
template void products<double>(std::span<const ProductArgs>);

}  // namespace reference

void products(std::span<const ProductArgs> items) {
  const Profiled<std::span<const ProductArgs>> span(items, kernels().products == nullptr);
  if (kernels().products)
    kernels().products(items);
  else if (!meta_active())
    reference::products<float>(items);
}

}  // namespace nuri
