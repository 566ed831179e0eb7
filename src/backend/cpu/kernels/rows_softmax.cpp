// Log-sum-exp over the vocabulary and the gradient of the cross entropy, of one level.
#include "backend/cpu/kernels/rows_simd.h"
#include "backend/cpu/kernels/simd_math.h"

namespace nuri::cpu::NURI_LEVEL {
namespace {

constexpr int64_t kBlock = 1024;  // kVocabularyBlock of ops/cross_entropy.h

float largest_lane(F v) {
  float largest = v[0];
  for (int lane = 1; lane < kWidth; ++lane) largest = v[lane] > largest ? v[lane] : largest;
  return largest;
}

float block_max(int64_t n, const float* logits, float inv_temperature, float start) {
  F top[4] = {set1(start), set1(start), set1(start), set1(start)};
  int64_t i = 0;
  for (; i + 4 * kWidth <= n; i += 4 * kWidth)
    for (int v = 0; v < 4; ++v) top[v] = max(load(logits + i + v * kWidth) * inv_temperature, top[v]);
  for (; i < n; i += kWidth) {
    const int64_t count = n - i < kWidth ? n - i : kWidth;
    const F z = load_some(logits + i, count) * inv_temperature;
    top[0] = max(select(lanes_below(count), z, top[0]), top[0]);
  }
  return largest_lane(max(max(top[0], top[1]), max(top[2], top[3])));
}

float log_sum_exp(int64_t vocab, const float* logits, float inv_temperature) {
  float m = -__builtin_inff(), l = 0;
  for (int64_t begin = 0; begin < vocab; begin += kBlock) {
    const int64_t n = vocab - begin < kBlock ? vocab - begin : kBlock;
    const float* block = logits + begin;
    const float next = block_max(n, block, inv_temperature, m);
    const float sum =
        row_sum(n, [=](int64_t i, int64_t count) { return exp(load_some(block + i, count) * inv_temperature - next); });
    l = fma1(l, exp(set1(m - next))[0], sum);
    m = next;
  }
  return m + log(set1(l))[0];
}

/// -inf in the lanes whose byte is 0, else v.
NURI_INLINE F where_allowed(F v, const uint8_t* allowed, int64_t count) {
  using Bytes [[gnu::vector_size(kWidth)]] = uint8_t;
  Bytes bytes = {};
  if (count == kWidth)
    __builtin_memcpy(&bytes, allowed, kWidth);
  else
    __builtin_memcpy(&bytes, allowed, static_cast<size_t>(count));
  return select(__builtin_convertvector(bytes, I) != 0, v, set1(-__builtin_inff()));
}

float sampler_logits(int64_t n, const float* logits, float inv_temperature, const uint8_t* allowed, float* z) {
  F top = set1(-__builtin_inff());
  for_vectors(n, [&](int64_t i, int64_t count) {
    F v = load_some(logits + i, count) * inv_temperature;
    if (allowed) v = where_allowed(v, allowed + i, count);
    store_some(z + i, v, count);
    top = max(count == kWidth ? v : select(lanes_below(count), v, top), top);
  });
  return largest_lane(top) + 0.0f;
}

void weights(int64_t n, const float* z, float largest, float* weights) {
  for_vectors(
      n, [=](int64_t i, int64_t count) { store_some(weights + i, exp(load_some(z + i, count) - largest), count); });
}

/// kRounded: the BF16 of element i lies where the float i / 2 was, which has been read by then.
template <bool kRounded>
NURI_INLINE void gradient_of_row(int64_t vocab, float* logits, float lse, int64_t target, float weight) {
  uint16_t* const rounded = reinterpret_cast<uint16_t*>(logits);
  const auto put = [=](int64_t i, F v, int64_t count) {
    if (kRounded)
      store_bf16(rounded + i, v, count);
    else
      store_some(logits + i, v, count);
  };
  if (weight == 0) {
    for_vectors(vocab, [=](int64_t i, int64_t count) { put(i, F{}, count); });
    return;
  }
  const float of_target = (exp(set1(logits[target] - lse))[0] - 1.0f) * weight;
  for_vectors(vocab,
              [=](int64_t i, int64_t count) { put(i, exp(load_some(logits + i, count) - lse) * weight, count); });
  put(target, set1(of_target), 1);
}

void cross_entropy_grad(int64_t vocab, float* logits, float lse, int64_t target, float weight, bool rounded) {
  if (rounded)
    gradient_of_row<true>(vocab, logits, lse, target, weight);
  else
    gradient_of_row<false>(vocab, logits, lse, target, weight);
}

}  // namespace

extern const SoftmaxKernels softmax_kernels;
const SoftmaxKernels softmax_kernels = {log_sum_exp, sampler_logits, weights, cross_entropy_grad};

}  // namespace nuri::cpu::NURI_LEVEL
