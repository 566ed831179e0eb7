#include "ops/not_finite.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace nuri {
namespace {

/// Not finite: all bits of the exponent are set. Words of several elements: an exponent plus its lowest bit reaches the
/// place of the sign exactly where all its bits are set, and never the next element. A whole block of words is tested
/// before its elements, so that the usual case is a loop without branches, of a length that compilers vectorise at -O2.
template <class Bits>
int64_t find(const Bits* x, int64_t n, Bits exponent) {
  constexpr int64_t kWords = 256, kBlock = kWords * static_cast<int64_t>(sizeof(uint64_t) / sizeof(Bits));
  constexpr uint64_t kEach = ~uint64_t{0} / std::numeric_limits<Bits>::max();  // 1 in each element
  const uint64_t exponents = kEach * exponent, lowest = exponents & ~(exponents << 1);
  const uint64_t signs = kEach << (8 * sizeof(Bits) - 1);
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = std::min(n, begin + kBlock);
    if (end - begin == kBlock) {
      uint64_t found = 0;
      for (int64_t i = 0; i < kWords; ++i) {
        uint64_t word;
        std::memcpy(&word, reinterpret_cast<const std::byte*>(x + begin) + static_cast<size_t>(i) * sizeof word,
                    sizeof word);
        found |= (word & exponents) + lowest;
      }
      if ((found & signs) == 0) continue;
    }
    for (int64_t i = begin; i < end; ++i)
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
