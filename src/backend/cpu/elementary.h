// The vector functions of each level as they are, and the loops that measure a level's peak. The selftest and the tests
// compare the former with base/x1.h bit by bit; peak.cpp times the latter. Plain structs only: kernel sources include
// this header once per level.
#pragma once

#include <stdint.h>

namespace nuri::cpu {

struct ElementaryKernels {
  // y[i] = f(x[i]) for n elements; y may be x.
  void (*exp)(int64_t n, const float* x, float* y) = nullptr;
  void (*log)(int64_t n, const float* x, float* y) = nullptr;
  void (*sigmoid)(int64_t n, const float* x, float* y) = nullptr;
  void (*silu)(int64_t n, const float* x, float* y) = nullptr;
  void (*sqrt)(int64_t n, const float* x, float* y) = nullptr;
  void (*round_bf16)(int64_t n, const float* x, float* y) = nullptr;
  void (*fma)(int64_t n, const float* a, const float* b, const float* c, float* y) = nullptr;
  float (*row_sum)(int64_t n, const float* x) = nullptr;
};

struct PeakKernels {
  /// Fused multiply-adds in registers; returns something of the result, so that they are really done.
  float (*fma_loop)(int64_t rounds) = nullptr;
  int64_t fma_flops = 0;  ///< of one round
  /// The same with VDPBF16PS; null where the level has none.
  float (*bf16_loop)(int64_t rounds) = nullptr;
  int64_t bf16_flops = 0;
  /// Reads n bytes, a multiple of 1,024, 64-byte aligned.
  uint32_t (*read)(const void* data, int64_t n) = nullptr;
  /// Copies n bytes, a multiple of 1,024, 64-byte aligned, past the caches.
  void (*copy)(void* to, const void* from, int64_t n) = nullptr;
};

#define NURI_DECLARE_ELEMENTARY_KERNELS(level)       \
  namespace level {                                  \
  extern const ElementaryKernels elementary_kernels; \
  extern const PeakKernels peak_kernels;             \
  }
NURI_DECLARE_ELEMENTARY_KERNELS(portable)
NURI_DECLARE_ELEMENTARY_KERNELS(avx2)
NURI_DECLARE_ELEMENTARY_KERNELS(avx512)
NURI_DECLARE_ELEMENTARY_KERNELS(avx512_bf16)
#undef NURI_DECLARE_ELEMENTARY_KERNELS

}  // namespace nuri::cpu
