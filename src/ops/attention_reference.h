// Attention by its definition, slow on purpose. The float instantiation is the definition that every kernel equals to
// the bit; the double one (which never rounds to BF16) is the accuracy reference and is differentiated numerically in
// tests.
#pragma once

#include "backend/kernels.h"

namespace nuri::reference {

/// The float arrays of AttentionArgs in element type T. Sizes, strides, sequences and keys are those of the args; keys
/// are read as kv_dtype says (f64 for a reference in double).
template <class T>
struct AttentionArrays {
  const T* q = nullptr;
  T* out = nullptr;
  T* lse = nullptr;
  T* row_max = nullptr;
};
template <class T>
void attention(const AttentionArgs& args, const AttentionArrays<T>& arrays);

/// The arrays of AttentionGradArgs in element type T; out and lse of `forward` are read.
template <class T>
struct AttentionGradArrays {
  AttentionArrays<T> forward;
  const T* dout = nullptr;
  T* dq = nullptr;
  T* dk = nullptr;
  T* dk_shared = nullptr;
  T* dv = nullptr;
};
template <class T>
void attention_grad(const AttentionGradArgs& args, const AttentionGradArrays<T>& arrays);

void attention(const AttentionArgs& args);
void attention_grad(const AttentionGradArgs& args);

}  // namespace nuri::reference
