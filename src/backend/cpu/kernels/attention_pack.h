// Reading of attention's operands where they lie, and packing into words (kernels/attention_pack.cpp), one level.
#pragma once

#include "backend/cpu/attention_kernels.h"
#include "backend/cpu/kernels/simd.h"

namespace nuri::cpu::NURI_LEVEL {

NURI_INLINE const void* row_of(const PackMatrix& m, int64_t row) {
  return static_cast<const char*>(m.data) + row * m.stride * (m.bf16 ? 2 : 4);
}

/// Into L1 or L2. Not __builtin_prefetch: GCC 12 takes a function of nothing but that for one without effect.
NURI_INLINE void prefetch_near(const void* at) { asm volatile("prefetcht0 %0" : : "m"(*static_cast<const char*>(at))); }
NURI_INLINE void prefetch_far(const void* at) { asm volatile("prefetcht1 %0" : : "m"(*static_cast<const char*>(at))); }

constexpr int64_t kLine = 64;  // bytes

/// A decoded token's keys stream from memory: a block comes to L2 as another is read, its lines in equal shares of
/// `steps`; all at once they would wait for each other.
class Ahead {
 public:
  Ahead(const void* data, int64_t lines, int64_t steps)
      : next_(static_cast<const char*>(data)),
        end_(next_ + lines * kLine),
        share_((lines + steps - 1) / (steps > 0 ? steps : 1) * kLine) {}
  void ask() {
    for (const char* stop = end_ - next_ < share_ ? end_ : next_ + share_; next_ < stop; next_ += kLine)
      prefetch_far(next_);
  }

 private:
  const char* next_;
  const char* end_;
  int64_t share_;
};

/// Elements at .. at + kWidth of a row of n as FP32; what lies past its end is +0 and not read. Masks only where they
/// are needed: a masked load costs twice as much in L1 and three times as much from memory (Zen 5).
#if defined(__AVX512F__)
NURI_INLINE __mmask32 first_elements(int64_t n) {
  return n >= 32 ? ~__mmask32{0} : n > 0 ? (__mmask32{1} << n) - 1 : __mmask32{0};
}
template <bool kFromBf16>
NURI_INLINE F elements_of_row(const void* row, int64_t at, int64_t n) {
  const bool whole = n - at >= kWidth;
  const auto mask = static_cast<__mmask16>(first_elements(n - at));
  if constexpr (kFromBf16) {
    const uint16_t* p = static_cast<const uint16_t*>(row) + at;
    const __m256i half =
        whole ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)) : _mm256_maskz_loadu_epi16(mask, p);
    return reinterpret_cast<F>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
  } else {
    const float* p = static_cast<const float*>(row) + at;
    return reinterpret_cast<F>(whole ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(mask, p));
  }
}
#else
template <bool kFromBf16>
NURI_INLINE F elements_of_row(const void* row, int64_t at, int64_t n) {
  const int64_t left = n - at;
  if constexpr (kFromBf16) {
    return from_bits(words_of(load_halves(static_cast<const uint16_t*>(row) + at, left)) << 16);
  } else {
    const float* p = static_cast<const float*>(row) + at;
    return left >= kWidth ? load(p) : left > 0 ? load_partial(p, static_cast<int>(left)) : F{};
  }
}
#endif

void pack_rows_of_a(bool bf16, const PackMatrix& m, uint32_t* out, int64_t stride);
void pack_turned(bool bf16, const PackMatrix& m, uint32_t* out);
void pack_straight(bool bf16, const PackMatrix& m, uint32_t* out);
void split_pairs(const uint32_t* pairs, int64_t panels, int64_t depth, uint32_t* out);

}  // namespace nuri::cpu::NURI_LEVEL
