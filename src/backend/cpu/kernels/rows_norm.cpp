// RMSNorm, forward and backward, and sums of squares, of one level.
#include "backend/cpu/kernels/rows_simd.h"

namespace nuri::cpu::NURI_LEVEL {
namespace {

float square_sum(int64_t n, const float* x) {
  return row_sum(n, [=](int64_t i, int64_t count) {
    const F v = load_some(x + i, count);
    return v * v;
  });
}

/// IEEE square root of one number.
NURI_INLINE float sqrt1(float x) { return sqrt(set1(x))[0]; }

template <bool kFloats, bool kRounded>
NURI_INLINE void write_y(int64_t d, const float* x, const float* g, float r, float* y, uint16_t* y_rounded) {
  for_vectors(d, [=](int64_t i, int64_t count) {
    const F v = (load_some(x + i, count) * set1(r)) * load_some(g + i, count);
    if (kFloats) store_some(y + i, v, count);
    if (kRounded) store_bf16(y_rounded + i, v, count);
  });
}

float rmsnorm(int64_t d, const float* x, const float* g, float eps, float* y, uint16_t* y_rounded) {
  const float r = 1.0f / sqrt1(square_sum(d, x) / static_cast<float>(d) + eps);
  if (!y_rounded)
    write_y<true, false>(d, x, g, r, y, y_rounded);
  else if (y)
    write_y<true, true>(d, x, g, r, y, y_rounded);
  else
    write_y<false, true>(d, x, g, r, y, y_rounded);
  return r;
}

template <bool kAccumulate>
NURI_INLINE void write_dx(int64_t d, const float* x, const float* g, float r, float c, const float* dy, float* dx) {
  for_vectors(d, [=](int64_t i, int64_t count) {
    const F gdy = load_some(g + i, count) * load_some(dy + i, count);
    F v = set1(r) * fma(set1(-c), load_some(x + i, count), gdy);
    if (kAccumulate) v = load_some(dx + i, count) + v;
    store_some(dx + i, v, count);
  });
}

void rmsnorm_dx(int64_t d, const float* x, const float* g, float r, const float* dy, float* dx, bool accumulate) {
  const float sum = row_sum(d, [=](int64_t i, int64_t count) {
    return (load_some(g + i, count) * load_some(dy + i, count)) * load_some(x + i, count);
  });
  const float c = (r * r) * sum / static_cast<float>(d);
  if (accumulate)
    write_dx<true>(d, x, g, r, c, dy, dx);
  else
    write_dx<false>(d, x, g, r, c, dy, dx);
}

/// kVectors vectors of columns, `count` of the last one's lanes.
template <int kVectors>
NURI_INLINE void dg_strip(int64_t n_tokens, const float* x, int64_t x_stride, const float* r, const float* dy,
                          int64_t dy_stride, float* dg, int64_t count) {
  F sum[kVectors];
  for (int v = 0; v < kVectors; ++v) sum[v] = load_some(dg + v * kWidth, v + 1 < kVectors ? kWidth : count);
  for (int64_t t = 0; t < n_tokens; ++t) {
    const F scale = set1(r[t]);
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = v * kWidth, lanes = v + 1 < kVectors ? kWidth : count;
      sum[v] = fma(load_some(dy + t * dy_stride + at, lanes), load_some(x + t * x_stride + at, lanes) * scale, sum[v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) store_some(dg + v * kWidth, sum[v], v + 1 < kVectors ? kWidth : count);
}

void rmsnorm_dg(int64_t n_tokens, int64_t columns, const float* x, int64_t x_stride, const float* r, const float* dy,
                int64_t dy_stride, float* dg) {
  // Blocks of rows that stay in the first cache while strips of columns go over them with their sums in registers.
  constexpr int64_t kRows = 16;
  for (int64_t t = 0; t < n_tokens; t += kRows) {
    const int64_t n = n_tokens - t < kRows ? n_tokens - t : kRows;
    const float *xs = x + t * x_stride, *dys = dy + t * dy_stride;
    int64_t i = 0;
    for (; i + 4 * kWidth <= columns; i += 4 * kWidth)
      dg_strip<4>(n, xs + i, x_stride, r + t, dys + i, dy_stride, dg + i, kWidth);
    for (; i + kWidth <= columns; i += kWidth)
      dg_strip<1>(n, xs + i, x_stride, r + t, dys + i, dy_stride, dg + i, kWidth);
    if (i < columns) dg_strip<1>(n, xs + i, x_stride, r + t, dys + i, dy_stride, dg + i, columns - i);
  }
}

}  // namespace

extern const NormKernels norm_kernels;
const NormKernels norm_kernels = {rmsnorm, rmsnorm_dx, rmsnorm_dg, square_sum};

}  // namespace nuri::cpu::NURI_LEVEL
