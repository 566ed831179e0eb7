// Causal attention over ragged sequences: one definition for training, chunked prefill and decode.
//
// Query i at position p of a sequence sees keys 0..p of that sequence. Per head, with d_q = d_k + d_shared:
//   s_j = (chain over [q_k . k_j, then q_shared . k_shared_j]) * scale
//   blocks of 64 keys, segments of 16 blocks, both aligned to position 0:
//     m' = max(m, s_j);  p_j = exp(s_j - m');  a = exp(m - m'), 0 for the first block of a segment
//     l = fma(l, a, row_sum(p));  o = o a, then o = fma(P_j, v_j, o) for visible j ascending
//   segments merged ascending:  L = fma(L, A, l C);  O = fma(O, A, o C)  with A = exp(M - M'), C = exp(m - M')
//   out = O / L + 0;  lse = M + log(L);  row_max = M + 0
// Backward, from the same s:
//   D = row_sum(dout out);  p = exp(s - lse);  dp_j = chain over d_v of dout v_j;  ds = (p (dp - D)) scale
//   dq   chain over keys ascending of ds k
//   dk   chain over queries ascending of ds q;  dv  chain over queries ascending of P dout
//   heads ascending around these chains where heads share the array (k_shared; k and v of absorbed MLA)
//   value a view of the key: for each head and query the key part, then the value part, in one chain
// BF16 precision: the inputs of products (q, k, v, P, dout, ds) are rounded once to BF16; sums, p in l, D, dp - D and
// all results stay FP32. Keys that a query does not see, unused slots and other sequences never enter its arithmetic.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/kernels.h"
#include "tensor/tensor.h"

namespace nuri {

/// MLA's expanded form. T tokens in sequences [offsets[s], offsets[s + 1]); all tensors contiguous FP32.
///   q [T, n_heads * (d_nope + d_rope)]: nope then rope per head;  kv [T, n_heads * (d_nope + d_v)]: key then value
///   k_rope [T, d_rope], one for all heads;  result [T, n_heads * d_v]
/// head_max [n_heads] (may be null) receives the largest score that a query of each head met. Records its backward (dq,
/// dkv, dk_rope).
Tensor attention_expanded(const Tensor& q, const Tensor& kv, const Tensor& k_rope, const std::vector<int64_t>& offsets,
                          int64_t n_heads, int64_t d_nope, int64_t d_v, float scale, Precision precision,
                          float* head_max);

/// MLA's absorbed form: the latent is key and value of every head.
///   q [T, n_heads * (rank + d_rope)];  c [T, rank];  k_rope [T, d_rope];  result [T, n_heads * rank]
Tensor attention_absorbed(const Tensor& q, const Tensor& c, const Tensor& k_rope, const std::vector<int64_t>& offsets,
                          int64_t n_heads, float scale, Precision precision, float* head_max);

/// Inference over paged keys and values: checks the sizes and runs the chip's kernel. Nothing is recorded.
void attention_paged(const AttentionArgs& args);

}  // namespace nuri
