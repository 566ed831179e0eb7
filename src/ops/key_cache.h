// Pages of a key-value cache: how the 64 tokens of a page lie in it for one layer, and writing tokens into pages. On
// the host; a chip with memory of its own brings a kernel for it.
#pragma once

#include <cstdint>
#include <span>

#include "backend/kernels.h"
#include "tensor/tensor.h"

namespace nuri {

/// One layer's page. Offsets and sizes count elements of `dtype`.
struct KeyPage {
  KeyLayout layout = KeyLayout::rows;
  DType dtype = DType::f32;
  int64_t n_heads = 1;                      ///< with keys of their own
  int64_t d_k = 0, d_shared = 0, d_v = 0;   ///< d_v 0: the value is (a part of) the key
  int64_t head = 0, value = 0, shared = 0;  ///< from head to head; from a head's keys to its values; of k_shared
  int64_t elements = 0;                     ///< of the whole page

  int64_t row() const { return n_heads * (d_k + d_v); }  ///< elements that a token leaves besides k_shared
  /// The keys and values of a page at `data`.
  KeyBlock block(const std::byte* data) const;
  /// Layout, type and strides of the arguments.
  void describe(AttentionArgs& args) const;
};

/// Keys and values of their own for every head, in panels: of each head k, then v; then k_shared.
KeyPage expanded_key_page(DType dtype, int64_t n_heads, int64_t d_k, int64_t d_shared, int64_t d_v);
/// One latent per token in rows, key and value of all heads; then k_shared.
KeyPage latent_key_page(DType dtype, int64_t d_k, int64_t d_shared);

/// Rows [row, row + count) of kv and k_shared become the tokens in slots [slot, slot + count) of a page at `data`.
struct KeyRun {
  int64_t row = 0, count = 0, slot = 0;
  std::byte* data = nullptr;
};
/// kv [tokens, page.row()] (heads of [d_k | d_v]) and k_shared [tokens, d_shared], FP32, rounded to the page's type.
void store_keys(const KeyPage& page, const Tensor& kv, const Tensor& k_shared, std::span<const KeyRun> runs);

}  // namespace nuri
