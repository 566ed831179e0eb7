// The router, and experts back to tokens, of one level.
#include "backend/cpu/kernels/rows_simd.h"
#include "backend/cpu/kernels/simd_math.h"

namespace nuri::cpu::NURI_LEVEL {
namespace {

constexpr float kMinusInfinity = -__builtin_inff();

/// The sum of the two largest of n choices (of one: itself).
NURI_INLINE float group_score(int64_t n, const float* choice) {
  float first = choice[0], second = kMinusInfinity;
  for (int64_t i = 1; i < n; ++i) {
    const float low = choice[i] < first ? choice[i] : first;
    first = choice[i] < first ? first : choice[i];
    second = low > second ? low : second;
  }
  return n == 1 ? first : first + second;
}

/// Choices of groups that are not kept become -infinity. score: scratch [n_groups].
void drop_groups(const RouterShape& shape, float* choice, float* score) {
  const int64_t size = shape.n_experts / shape.n_groups;
  for (int64_t g = 0; g < shape.n_groups; ++g) score[g] = group_score(size, choice + g * size);
  for (int64_t g = 0; g < shape.n_groups; ++g) {
    int64_t before = 0;  // groups with a higher score, or an equal one and a lower number
    for (int64_t other = 0; other < shape.n_groups; ++other)
      before += score[other] > score[g] || (score[other] == score[g] && other < g);
    if (before >= shape.n_kept_groups)
      for (int64_t i = 0; i < size; ++i) choice[g * size + i] = kMinusInfinity;
  }
}

/// The first index that holds the largest choice, which becomes -infinity; -1 where no choice is above -infinity.
int64_t take_largest(int64_t n, float* choice) {
  F top = set1(kMinusInfinity);
  for (int64_t i = 0; i < n; i += kWidth) top = max(load(choice + i), top);
  float largest = top[0];
  for (int i = 1; i < kWidth; ++i) largest = top[i] > largest ? top[i] : largest;
  if (!(largest > kMinusInfinity)) return -1;
  for (int64_t e = 0; e < n; ++e)
    if (choice[e] == largest) {
      choice[e] = kMinusInfinity;
      return e;
    }
  return -1;
}

/// The lowest expert that is not in the list; where scores are not finite, the ids must still be valid.
int64_t lowest_free(const int32_t* experts, int64_t n) {
  for (int64_t e = 0;; ++e) {
    bool free = true;
    for (int64_t j = 0; j < n; ++j) free = free && experts[j] != e;
    if (free) return e;
  }
}

void insert_ascending(int32_t* experts, int64_t n, int32_t e) {
  for (; n > 0 && experts[n - 1] > e; --n) experts[n] = experts[n - 1];
  experts[n] = e;
}

/// s_0 + s_1 + ... of the chosen experts, plus 1e-20.
NURI_INLINE float chosen_sum(const RouterShape& shape, const float* scores, const int32_t* experts) {
  float sum = 0;
  for (int64_t j = 0; j < shape.n_active; ++j) sum = sum + scores[experts[j]];
  return sum + 1e-20f;
}

void router(const RouterShape& shape, const float* logits, const float* bias, float* scratch, float* scores,
            int32_t* experts, float* weights) {
  const int64_t padded = (shape.n_experts + kWidth - 1) / kWidth * kWidth;
  float *choice = scratch, *group = scratch + padded;
  for_vectors(shape.n_experts, [=](int64_t i, int64_t count) {
    const F s = sigmoid(load_some(logits + i, count));
    store_some(scores + i, s, count);
    store_some(choice + i, bias ? s + load_some(bias + i, count) : s, count);
  });
  for (int64_t i = shape.n_experts; i < padded; ++i) choice[i] = kMinusInfinity;
  if (shape.n_kept_groups < shape.n_groups) drop_groups(shape, choice, group);
  for (int64_t j = 0; j < shape.n_active; ++j) {
    int64_t e = take_largest(padded, choice);
    if (e < 0) e = lowest_free(experts, j);
    insert_ascending(experts, j, static_cast<int32_t>(e));
  }
  const float sum = chosen_sum(shape, scores, experts);
  for (int64_t j = 0; j < shape.n_active; ++j) {
    const float s = scores[experts[j]];
    weights[j] = (shape.normalise ? s / sum : s) * shape.route_scale;
  }
}

void router_grad(const RouterShape& shape, const float* s, const int32_t* experts, const float* u, const float* balance,
                 float* dlogits) {
  const int64_t n = shape.n_experts;
  for_vectors(n, [=](int64_t i, int64_t count) { store_some(dlogits + i, F{}, count); });
  float chain = 0;
  for (int64_t j = 0; j < shape.n_active; ++j) chain = fma1(u[j], s[experts[j]], chain);
  const float sum = chosen_sum(shape, s, experts), factor = shape.route_scale / sum, mean_u = chain / sum;
  for (int64_t j = 0; j < shape.n_active; ++j)
    dlogits[experts[j]] = shape.normalise ? factor * (u[j] - mean_u) : shape.route_scale * u[j];
  float z = 1, mean = 0;
  if (balance) {
    z = row_sum(n, [=](int64_t i, int64_t count) { return load_some(s + i, count); });
    mean =
        row_sum(n, [=](int64_t i, int64_t count) { return load_some(balance + i, count) * load_some(s + i, count); }) /
        z;
  }
  for_vectors(n, [=](int64_t i, int64_t count) {
    const F score = load_some(s + i, count);
    F ds = load_some(dlogits + i, count);
    if (balance) ds = ds + (load_some(balance + i, count) - mean) / z;
    store_some(dlogits + i, ds * (score * (1.0f - score)), count);
  });
}

void combine(int64_t d, int64_t n_active, const float* shared, const float* f, const int32_t* slots,
             const float* weights, float* y) {
  for_vectors(d, [=](int64_t i, int64_t count) {
    F sum = shared ? load_some(shared + i, count) : F{};
    for (int64_t j = 0; j < n_active; ++j) sum = fma(set1(weights[j]), load_some(f + slots[j] * d + i, count), sum);
    store_some(y + i, sum, count);
  });
}

template <class Store>
NURI_INLINE float combine_grad_row(int64_t d, const float* row, float weight, const float* dy, Store store) {
  const F w = set1(weight);
  return row_sum(d, [=](int64_t i, int64_t count) {
    const F g = load_some(dy + i, count);
    store(i, w * g, count);
    return g * load_some(row + i, count);
  });
}

void combine_grad(int64_t d, int64_t n_active, const float* f, const int32_t* slots, const float* weights,
                  const float* dy, float* df, uint16_t* df_rounded, float* dweights) {
  for (int64_t j = 0; j < n_active; ++j) {
    const int64_t at = slots[j] * d;
    dweights[j] = df ? combine_grad_row(d, f + at, weights[j], dy, ToFloats{df + at})
                     : combine_grad_row(d, f + at, weights[j], dy, ToBf16{df_rounded + at});
  }
}

void gather_grad(int64_t d, int64_t n_active, const float* dxs, const int32_t* slots, float* dx) {
  for_vectors(d, [=](int64_t i, int64_t count) {
    F sum = load_some(dxs + slots[0] * d + i, count);
    for (int64_t j = 1; j < n_active; ++j) sum = sum + load_some(dxs + slots[j] * d + i, count);
    store_some(dx + i, sum, count);
  });
}

}  // namespace

extern const MoeKernels moe_kernels;
const MoeKernels moe_kernels = {router, router_grad, combine, combine_grad, gather_grad};

}  // namespace nuri::cpu::NURI_LEVEL
