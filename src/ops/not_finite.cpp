#include "ops/not_finite.h"

#include <algorithm>
#include <cstddef>

namespace nuri {
namespace {

/// Not finite: all bits of the exponent are set. A whole block is tested before its elements, so that the usual case
/// is a loop without branches.
template <class Bits>
int64_t find(const Bits* x, int64_t n, Bits exponent) {
  constexpr int64_t kBlock = 1024;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = std::min(n, begin + kBlock);
    unsigned found = 0;
    for (int64_t i = begin; i < end; ++i) found |= (x[i] & exponent) == exponent;
    for (int64_t i = begin; found && i < end; ++i)
      if ((x[i] & exponent) == exponent) return i;
  }
  return -1;
}

int64_t find(DType dtype, const void* x, int64_t n) {
  if (dtype == DType::f32) return find<uint32_t>(static_cast<const uint32_t*>(x), n, 0x7F800000u);
  if (dtype == DType::bf16) return find<uint16_t>(static_cast<const uint16_t*>(x), n, 0x7F80u);
  return -1;
}

}  // namespace

int64_t find_not_finite(const Tensor& x) {
  if (!x.raw()) return -1;
  if (x.contiguous()) return find(x.dtype(), x.raw(), x.size());
  const auto* row = static_cast<const std::byte*>(x.raw());
  for (int64_t r = 0; r < x.dim(0); ++r, row += static_cast<size_t>(x.row_stride()) * dtype_bytes(x.dtype()))
    if (const int64_t at = find(x.dtype(), row, x.dim(1)); at >= 0) return r * x.dim(1) + at;
  return -1;
}

}  // namespace nuri
