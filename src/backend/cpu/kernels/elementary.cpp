#include "backend/cpu/elementary.h"

#include "backend/cpu/kernels/simd_math.h"

namespace nuri::cpu::NURI_LEVEL {
namespace {

template <class Function>
NURI_INLINE void map(int64_t n, const float* x, float* y, Function f) {
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(y + i, f(load(x + i)));
  const int rest = static_cast<int>(n - i);
  if (rest > 0) store_partial(y + i, f(load_partial(x + i, rest)), rest);
}

void map_exp(int64_t n, const float* x, float* y) {
  map(n, x, y, [](F v) { return exp(v); });
}
void map_log(int64_t n, const float* x, float* y) {
  map(n, x, y, [](F v) { return log(v); });
}
void map_sigmoid(int64_t n, const float* x, float* y) {
  map(n, x, y, [](F v) { return sigmoid(v); });
}
void map_silu(int64_t n, const float* x, float* y) {
  map(n, x, y, [](F v) { return silu(v); });
}
void map_sqrt(int64_t n, const float* x, float* y) {
  map(n, x, y, [](F v) { return sqrt(v); });
}
void map_round_bf16(int64_t n, const float* x, float* y) {
  map(n, x, y, [](F v) { return round_bf16(v); });
}

void map_fma(int64_t n, const float* a, const float* b, const float* c, float* y) {
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(y + i, fma(load(a + i), load(b + i), load(c + i)));
  for (; i < n; ++i) y[i] = fma1(a[i], b[i], c[i]);
}

float row_sum(int64_t n, const float* x) {
  LaneSum sum = LaneSum::zero();
  int64_t i = 0;
  for (; i + 64 <= n; i += 64)
    for (int v = 0; v < LaneSum::kVectors; ++v) sum.lane[v] = sum.lane[v] + load(x + i + v * kWidth);
  for (int v = 0; i < n; ++v, i += kWidth) {
    const int64_t rest = n - i;
    sum.lane[v] = sum.lane[v] + (rest < kWidth ? load_partial(x + i, static_cast<int>(rest)) : load(x + i));
  }
  return sum.total();
}

}  // namespace

extern const ElementaryKernels elementary_kernels;
const ElementaryKernels elementary_kernels = {map_exp,  map_log,        map_sigmoid, map_silu,
                                              map_sqrt, map_round_bf16, map_fma,     row_sum};

}  // namespace nuri::cpu::NURI_LEVEL
