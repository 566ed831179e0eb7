// Muon's passes over the elements of a matrix, of one level.
#include "backend/cpu/kernels/rows_simd.h"
#include "backend/cpu/kernels/simd_math.h"

namespace nuri::cpu::NURI_LEVEL {
namespace {

void axpby(int64_t n, float a, const float* x, float b, const float* y, float* out) {
  const F factor = set1(b);
  for_vectors(n, [=](int64_t i, int64_t count) {
    const F ax = a * load_some(x + i, count);
    store_some(out + i, y ? fma(factor, load_some(y + i, count), ax) : ax, count);
  });
}

void momentum(int64_t n, float momentum, float one_minus_momentum, float clip, const float* grad, float* m, float* u) {
  const F mu = set1(momentum);
  for_vectors(n, [=](int64_t i, int64_t count) {
    const F part = one_minus_momentum * (load_some(grad + i, count) * clip);
    const F m2 = fma(mu, load_some(m + i, count), part);
    store_some(m + i, m2, count);
    store_some(u + i, fma(mu, m2, part), count);
  });
}

void update(int64_t n, float lr_decay, float rate, const float* u, float* p, uint16_t* copy) {
  for_vectors(n, [=](int64_t i, int64_t count) {
    F p2 = load_some(p + i, count);
    p2 = p2 - lr_decay * p2;
    p2 = p2 - rate * load_some(u + i, count);
    store_some(p + i, p2, count);
    if (copy) store_bf16(copy + i, p2, count);
  });
}

}  // namespace

extern const MuonKernels muon_kernels;
const MuonKernels muon_kernels = {axpby, momentum, update};

}  // namespace nuri::cpu::NURI_LEVEL
