// What the drivers of row operations (rows*.cpp) ask of a level. Plain structs only: kernel sources include this header
// once per level. Every function does its whole range on the calling thread; definitions are in backend/kernels.h and,
// to the bit, in the references of src/ops. BF16 numbers are uint16_t here.
#pragma once

#include <stdint.h>

namespace nuri::cpu {

struct NormKernels {
  /// One row: writes y [d], y_rounded [d] (either may be null), returns r.
  float (*rmsnorm)(int64_t d, const float* x, const float* g, float eps, float* y, uint16_t* y_rounded) = nullptr;
  /// One row's dx [d].
  void (*rmsnorm_dx)(int64_t d, const float* x, const float* g, float r, const float* dy, float* dx,
                     bool accumulate) = nullptr;
  /// Chains over n_tokens rows of `columns` columns: dg [columns].
  void (*rmsnorm_dg)(int64_t n_tokens, int64_t columns, const float* x, int64_t x_stride, const float* r,
                     const float* dy, int64_t dy_stride, float* dg) = nullptr;
  /// Sum of squares of n elements by row_sum.
  float (*square_sum)(int64_t n, const float* x) = nullptr;
};

/// Constants of an AdamW step; one_minus_* and lr_decay are made once, in FP32, as the definition does.
struct AdamWConstants {
  float clip, beta1, one_minus_beta1, beta2, one_minus_beta2, lr, lr_decay, bias1, bias2, eps;
};

struct ElementKernels {
  void (*add)(int64_t n, const float* a, const float* b, float* y) = nullptr;
  void (*round)(int64_t n, const float* x, uint16_t* y) = nullptr;
  void (*widen)(int64_t n, const uint16_t* x, float* y) = nullptr;
  // Results as FP32, or as BF16 where the first is null.
  void (*swiglu)(int64_t n, const float* gate, const float* up, float* h, uint16_t* h_rounded) = nullptr;
  void (*swiglu_grad)(int64_t n, const float* gate, const float* up, const float* dh, float* dgate, float* dup,
                      uint16_t* dgate_rounded, uint16_t* dup_rounded) = nullptr;
  /// n_heads heads of one token, x_head and y_head elements apart; cos, sin [dim / 2].
  void (*rope)(int64_t n_heads, int64_t dim, const float* x, int64_t x_head, const float* cos, const float* sin,
               bool interleaved, bool inverse, float* y, int64_t y_head) = nullptr;
  void (*adamw)(int64_t n, const AdamWConstants&, const float* grad, float* p, float* m, float* v,
                uint16_t* copy) = nullptr;
};

/// out = fma(b, y, a x) (y may be null: a x), and Muon's passes over n elements of a matrix.
struct MuonKernels {
  void (*axpby)(int64_t n, float a, const float* x, float b, const float* y, float* out) = nullptr;
  void (*momentum)(int64_t n, float momentum, float one_minus_momentum, float clip, const float* grad, float* m,
                   float* u) = nullptr;
  void (*update)(int64_t n, float lr_decay, float rate, const float* u, float* p, uint16_t* copy) = nullptr;
};

struct RouterShape {
  int64_t n_experts, n_active, n_groups, n_kept_groups;
  bool normalise;
  float route_scale;
};

struct MoeKernels {
  /// One token. scratch: n_experts + 64 + n_groups floats.
  void (*router)(const RouterShape&, const float* logits, const float* bias, float* scratch, float* scores,
                 int32_t* experts, float* weights) = nullptr;
  /// One token; balance [n_experts] or null.
  void (*router_grad)(const RouterShape&, const float* scores, const int32_t* experts, const float* dweights,
                      const float* balance, float* dlogits) = nullptr;
  /// One token; shared may be null.
  void (*combine)(int64_t d, int64_t n_active, const float* shared, const float* f, const int32_t* slots,
                  const float* weights, float* y) = nullptr;
  void (*combine_grad)(int64_t d, int64_t n_active, const float* f, const int32_t* slots, const float* weights,
                       const float* dy, float* df, uint16_t* df_rounded, float* dweights) = nullptr;
  void (*gather_grad)(int64_t d, int64_t n_active, const float* dxs, const int32_t* slots, float* dx) = nullptr;
};

struct SoftmaxKernels {
  /// lse of one row.
  float (*log_sum_exp)(int64_t vocab, const float* logits, float inv_temperature) = nullptr;
  /// z[i] = logits[i] inv_temperature, -inf where allowed[i] is 0; returns the largest.
  float (*sampler_logits)(int64_t n, const float* logits, float inv_temperature, const uint8_t* allowed,
                          float* z) = nullptr;
  /// weights[i] = exp(z[i] - largest).
  void (*weights)(int64_t n, const float* z, float largest, float* weights) = nullptr;
  /// One row, in place, or as BF16 into its first half.
  void (*cross_entropy_grad)(int64_t vocab, float* logits, float lse, int64_t target, float weight,
                             bool rounded) = nullptr;
};

#define NURI_DECLARE_ROW_KERNELS(level)        \
  namespace level {                            \
  extern const NormKernels norm_kernels;       \
  extern const ElementKernels element_kernels; \
  extern const MuonKernels muon_kernels;       \
  extern const MoeKernels moe_kernels;         \
  extern const SoftmaxKernels softmax_kernels; \
  }
NURI_DECLARE_ROW_KERNELS(portable)
NURI_DECLARE_ROW_KERNELS(avx2)
NURI_DECLARE_ROW_KERNELS(avx512)
NURI_DECLARE_ROW_KERNELS(avx512_bf16)
#undef NURI_DECLARE_ROW_KERNELS

}  // namespace nuri::cpu
