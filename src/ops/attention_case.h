// Random attention problems for tests and benchmarks: arrays, arguments and gradients, in float or double.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "backend/kernels.h"
#include "base/philox.h"
#include "ops/attention_reference.h"

namespace nuri::test {

struct AttentionShape {
  Precision precision = Precision::f32;
  bool absorbed = false;  ///< one key for all heads, its first d_v elements are the value
  int64_t n_heads = 1, d_k = 4, d_shared = 2, d_v = 4;
  std::vector<int64_t> lengths;

  int64_t n_tokens() const {
    int64_t n = 0;
    for (int64_t length : lengths) n += length;
    return n;
  }
  int64_t d_q() const { return d_k + d_shared; }
  int64_t kv_row() const { return absorbed ? d_k : n_heads * (d_k + d_v); }
  int64_t kv_head() const { return absorbed ? 0 : d_k + d_v; }
  int64_t value_at() const { return absorbed ? 0 : d_k; }
  float scale() const { return 1.0f / static_cast<float>(d_q()); }
};

/// Whole sequences in contiguous rows, as in training: q [T, heads, d_q], kv [T, kv_row], k_shared [T, d_shared].
template <class T>
struct AttentionCase {
  AttentionShape shape;
  std::vector<T> q, kv, k_shared, dout;
  std::vector<T> out, lse, row_max;   // of the forward
  std::vector<T> dq, dkv, dk_shared;  // of the backward

  explicit AttentionCase(AttentionShape s, uint64_t seed = 1) : shape(std::move(s)) {
    const int64_t n = shape.n_tokens();
    fill(q, n * shape.n_heads * shape.d_q(), seed, 0);
    fill(kv, n * shape.kv_row(), seed, 1);
    fill(k_shared, n * shape.d_shared, seed, 2);
    fill(dout, n * shape.n_heads * shape.d_v, seed, 3);
    constexpr T kPoison = std::numeric_limits<T>::quiet_NaN();
    out.assign(dout.size(), kPoison);
    lse.assign(static_cast<size_t>(n * shape.n_heads), kPoison);
    row_max = lse;
    dq.assign(q.size(), kPoison);
    dkv.assign(kv.size(), kPoison);
    dk_shared.assign(k_shared.size(), kPoison);
  }
  AttentionCase(AttentionCase&&) = default;

  /// The same numbers in double.
  AttentionCase<double> in_double() const {
    AttentionCase<double> c(shape);
    c.q.assign(q.begin(), q.end());
    c.kv.assign(kv.begin(), kv.end());
    c.k_shared.assign(k_shared.begin(), k_shared.end());
    c.dout.assign(dout.begin(), dout.end());
    return c;
  }

  /// Arguments over these arrays; the float pointers are set where T is float.
  AttentionGradArgs args() {
    blocks_.clear();
    sequences_.clear();
    int64_t row = 0;
    std::vector<size_t> first_block;
    for (int64_t length : shape.lengths) {
      first_block.push_back(blocks_.size());
      for (int64_t at = row; at < row + length; at += kKeyBlock) {
        const T* k = kv.data() + at * shape.kv_row();
        blocks_.push_back({.k = k, .k_shared = k_shared.data() + at * shape.d_shared, .v = k + shape.value_at()});
      }
      sequences_.push_back({.first_row = row, .n_queries = length, .first_position = 0, .blocks = nullptr});
      row += length;
    }
    for (size_t i = 0; i < sequences_.size(); ++i) sequences_[i].blocks = blocks_.data() + first_block[i];
    AttentionGradArgs grad;
    AttentionArgs& a = grad.forward;
    a.precision = shape.precision;
    a.n_heads = shape.n_heads;
    a.d_k = shape.d_k;
    a.d_shared = shape.d_shared;
    a.d_v = shape.d_v;
    a.scale = shape.scale();
    a.kv_dtype = DTypeOf<T>::value;
    a.k_row = a.v_row = shape.kv_row();
    a.k_head = a.v_head = shape.kv_head();
    a.shared_row = shape.d_shared;
    a.q_row = shape.n_heads * shape.d_q();
    a.q_head = shape.d_q();
    a.out_row = shape.n_heads * shape.d_v;
    a.out_head = shape.d_v;
    a.sequences = sequences_;
    grad.v_is_k = shape.absorbed;
    if constexpr (std::is_same_v<T, float>) {
      a.q = q.data();
      a.out = out.data();
      a.lse = lse.data();
      a.row_max = row_max.data();
      grad.dout = dout.data();
      grad.dq = dq.data();
      grad.dk = dkv.data();
      grad.dk_shared = dk_shared.data();
      grad.dv = shape.absorbed ? nullptr : dkv.data() + shape.value_at();
    }
    return grad;
  }

  void reference_forward() {
    reference::attention<T>(args().forward,
                            {.q = q.data(), .out = out.data(), .lse = lse.data(), .row_max = row_max.data()});
  }
  void reference_backward() {
    reference::attention_grad<T>(args(), {.forward = {.q = q.data(), .out = out.data(), .lse = lse.data()},
                                          .dout = dout.data(),
                                          .dq = dq.data(),
                                          .dk = dkv.data(),
                                          .dk_shared = dk_shared.data(),
                                          .dv = shape.absorbed ? nullptr : dkv.data() + shape.value_at()});
  }

 private:
  static void fill(std::vector<T>& x, int64_t n, uint64_t seed, uint64_t stream) {
    const Philox random(seed, Purpose::test, stream);
    x.resize(static_cast<size_t>(n));
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(random.normal(i));
  }
  std::vector<KeyBlock> blocks_;
  std::vector<AttentionSequence> sequences_;
};

}  // namespace nuri::test
