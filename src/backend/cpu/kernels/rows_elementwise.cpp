// Element by element: sums, BF16, SwiGLU, rotary positions and AdamW, of one level.
#include "backend/cpu/kernels/lanes.h"
#include "backend/cpu/kernels/rows_simd.h"
#include "backend/cpu/kernels/simd_math.h"

namespace nuri::cpu::NURI_LEVEL {
namespace {

void add(int64_t n, const float* a, const float* b, float* y) {
  for_vectors(n, [=](int64_t i, int64_t count) {
    store_some(y + i, load_some(a + i, count) + load_some(b + i, count), count);
  });
}

void round(int64_t n, const float* x, uint16_t* y) {
  for_vectors(n, [=](int64_t i, int64_t count) { store_bf16(y + i, load_some(x + i, count), count); });
}

void widen(int64_t n, const uint16_t* x, float* y) {
  for_vectors(n, [=](int64_t i, int64_t count) {
    store_some(y + i, from_bits(words_of(load_halves(x + i, count)) << 16), count);
  });
}

template <class Store>
NURI_INLINE void swiglu_into(int64_t n, const float* gate, const float* up, Store h) {
  for_vectors(
      n, [=](int64_t i, int64_t count) { h(i, silu(load_some(gate + i, count)) * load_some(up + i, count), count); });
}

void swiglu(int64_t n, const float* gate, const float* up, float* h, uint16_t* h_rounded) {
  if (h)
    swiglu_into(n, gate, up, ToFloats{h});
  else
    swiglu_into(n, gate, up, ToBf16{h_rounded});
}

template <class Store>
NURI_INLINE void swiglu_grad_into(int64_t n, const float* gate, const float* up, const float* dh, Store dgate,
                                  Store dup) {
  for_vectors(n, [=](int64_t i, int64_t count) {
    const F g = load_some(gate + i, count), d = load_some(dh + i, count);
    const F s = sigmoid(g), silu = g * s;
    dup(i, d * silu, count);
    dgate(i, (d * load_some(up + i, count)) * fma(silu, 1.0f - s, s), count);
  });
}

void swiglu_grad(int64_t n, const float* gate, const float* up, const float* dh, float* dgate, float* dup,
                 uint16_t* dgate_rounded, uint16_t* dup_rounded) {
  if (dgate)
    swiglu_grad_into(n, gate, up, dh, ToFloats{dgate}, ToFloats{dup});
  else
    swiglu_grad_into(n, gate, up, dh, ToBf16{dgate_rounded}, ToBf16{dup_rounded});
}

// ---------------------------------------------------------------------------------------------------------------- rope

/// Half kHalf of the elements a_0, b_0, a_1, b_1, ...
template <int kHalf, int... kLane>
NURI_INLINE F alternate(F a, F b, Lanes<kLane...>) {
  return __builtin_shufflevector(a, b, ((kHalf * kWidth + kLane) / 2 + (kLane % 2) * kWidth)...);
}

NURI_INLINE void rope_pairs(const float* x, F c, F s, float* y) {
  const F low = load(x), high = load(x + kWidth);
  const F a = every_other<0>(low, high, AllLanes()), b = every_other<1>(low, high, AllLanes());
  const F a2 = fma(a, c, -(b * s)), b2 = fma(b, c, a * s);
  store(y, alternate<0>(a2, b2, AllLanes()));
  store(y + kWidth, alternate<1>(a2, b2, AllLanes()));
}

NURI_INLINE void rope_halves(int64_t half, const float* x, F c, F s, float* y, int64_t count) {
  const F a = load_some(x, count), b = load_some(x + half, count);
  store_some(y, fma(a, c, -(b * s)), count);
  store_some(y + half, fma(b, c, a * s), count);
}

/// Every head from pair `begin` on, kWidth pairs or `count` (which then are the last).
NURI_INLINE void rope_heads(int64_t n_heads, int64_t dim, int64_t begin, int64_t count, const float* x, int64_t x_head,
                            F c, F s, bool interleaved, float* y, int64_t y_head) {
  for (int64_t h = 0; h < n_heads; ++h, x += x_head, y += y_head) {
    if (!interleaved) {
      rope_halves(dim / 2, x + begin, c, s, y + begin, count);
    } else if (count == kWidth) {
      rope_pairs(x + 2 * begin, c, s, y + 2 * begin);
    } else {
      for (int64_t j = 0; j < count; ++j) {
        const float a = x[2 * (begin + j)], b = x[2 * (begin + j) + 1];
        y[2 * (begin + j)] = fma1(a, c[j], -(b * s[j]));
        y[2 * (begin + j) + 1] = fma1(b, c[j], a * s[j]);
      }
    }
  }
}

void rope(int64_t n_heads, int64_t dim, const float* x, int64_t x_head, const float* cos, const float* sin,
          bool interleaved, bool inverse, float* y, int64_t y_head) {
  for_vectors(dim / 2, [=](int64_t j, int64_t count) {
    const F c = load_some(cos + j, count), s = load_some(sin + j, count);
    rope_heads(n_heads, dim, j, count, x, x_head, c, inverse ? -s : s, interleaved, y, y_head);
  });
}

// --------------------------------------------------------------------------------------------------------------- AdamW

void adamw(int64_t n, const AdamWConstants& k, const float* grad, float* p, float* m, float* v, uint16_t* copy) {
  const F beta1 = set1(k.beta1), beta2 = set1(k.beta2);
  for_vectors(n, [=](int64_t i, int64_t count) {
    const F g = load_some(grad + i, count) * k.clip;
    const F m2 = fma(beta1, load_some(m + i, count), k.one_minus_beta1 * g);
    const F v2 = fma(beta2, load_some(v + i, count), (k.one_minus_beta2 * g) * g);
    F p2 = load_some(p + i, count);
    p2 = p2 - k.lr_decay * p2;
    p2 = p2 - k.lr * ((m2 / k.bias1) / (sqrt(v2 / k.bias2) + k.eps));
    store_some(m + i, m2, count);
    store_some(v + i, v2, count);
    store_some(p + i, p2, count);
    if (copy) store_bf16(copy + i, p2, count);
  });
}

}  // namespace

extern const ElementKernels element_kernels;
const ElementKernels element_kernels = {add, round, widen, swiglu, swiglu_grad, rope, adamw};

}  // namespace nuri::cpu::NURI_LEVEL
