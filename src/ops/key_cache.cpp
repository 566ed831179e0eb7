#include "ops/key_cache.h"

#include <bit>
#include <cstring>

#include "base/threads.h"
#include "ops/round.h"

namespace nuri {
namespace {

constexpr int64_t kPanel = kPanelColumns;
constexpr int64_t kSerialElements = 1 << 15;  // fewer are not worth waking threads

/// A PackedMatrix [k, n] in elements of its precision.
int64_t panel_elements(DType dtype, int64_t k, int64_t n) {
  const Precision precision = dtype == DType::bf16 ? Precision::bf16 : Precision::f32;
  return static_cast<int64_t>(packed_bytes(precision, k, n) / dtype_bytes(dtype));
}

// A token is a column of the keys [d, 64] and a row of the values [64, d]. Pairs along k: the earlier element in the
// high half; the missing half of an odd pair of keys is -0.

void store_column(const Bf16* x, int64_t d, int64_t slot, Bf16* panels) {
  uint32_t* words = reinterpret_cast<uint32_t*>(panels) + slot / kPanel * kPanel * ((d + 1) / 2) + slot % kPanel;
  for (int64_t i = 0; i + 1 < d; i += 2, words += kPanel) {
    uint32_t two;
    std::memcpy(&two, x + i, sizeof two);
    *words = std::rotl(two, 16);
  }
  if (d & 1) *words = uint32_t{x[d - 1].bits} << 16 | 0x8000u;
}
void store_column(const float* x, int64_t d, int64_t slot, float* panels) {
  float* to = panels + slot / kPanel * kPanel * d + slot % kPanel;
  for (int64_t i = 0; i < d; ++i) to[i * kPanel] = x[i];
}

void store_row(const Bf16* x, int64_t d, int64_t slot, Bf16* panels) {
  Bf16* to = panels + slot / 2 * (2 * kPanel) + (slot & 1 ? 0 : 1);
  for (int64_t i = 0; i < d; ++i) to[i / kPanel * (kKeyBlock * kPanel) + i % kPanel * 2] = x[i];
}
void store_row(const float* x, int64_t d, int64_t slot, float* panels) {
  for (int64_t i = 0; i < d; ++i) panels[i / kPanel * (kKeyBlock * kPanel) + slot * kPanel + i % kPanel] = x[i];
}

template <class E>
void store(const KeyPage& page, const E* kv, const E* k_shared, const KeyRun& run) {
  E* data = reinterpret_cast<E*>(run.data);
  const bool panels = page.layout == KeyLayout::panels;
  for (int64_t i = 0; i < run.count; ++i) {
    const int64_t slot = run.slot + i;
    const E* token = kv + (run.row + i) * page.row();
    const E* shared = k_shared + (run.row + i) * page.d_shared;
    if (!panels) {
      std::memcpy(data + slot * page.d_k, token, static_cast<size_t>(page.d_k) * sizeof(E));
      if (page.d_shared)
        std::memcpy(data + page.shared + slot * page.d_shared, shared, static_cast<size_t>(page.d_shared) * sizeof(E));
      continue;
    }
    for (int64_t h = 0; h < page.n_heads; ++h, token += page.d_k + page.d_v) {
      store_column(token, page.d_k, slot, data + h * page.head);
      store_row(token + page.d_k, page.d_v, slot, data + h * page.head + page.value);
    }
    store_column(shared, page.d_shared, slot, data + page.shared);
  }
}

template <class E>
void store_all(const KeyPage& page, const E* kv, const E* k_shared, std::span<const KeyRun> runs) {
  int64_t elements = 0;
  for (const KeyRun& run : runs) elements += run.count * page.row();
  if (elements < kSerialElements) {
    for (const KeyRun& run : runs) store(page, kv, k_shared, run);
    return;
  }
  parallel_parts(static_cast<int64_t>(runs.size()),
                 [&](int64_t i) { store(page, kv, k_shared, runs[static_cast<size_t>(i)]); });
}

Tensor rounded(const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), DType::bf16);
  round_bf16(x, y);
  return y;
}

}  // namespace

KeyPage expanded_key_page(DType dtype, int64_t n_heads, int64_t d_k, int64_t d_shared, int64_t d_v) {
  KeyPage page{.layout = KeyLayout::panels, .dtype = dtype, .n_heads = n_heads};
  page.d_k = d_k, page.d_shared = d_shared, page.d_v = d_v;
  page.value = panel_elements(dtype, d_k, kKeyBlock);
  page.head = page.value + panel_elements(dtype, kKeyBlock, d_v);
  page.shared = n_heads * page.head;
  page.elements = page.shared + panel_elements(dtype, d_shared, kKeyBlock);
  return page;
}

KeyPage latent_key_page(DType dtype, int64_t d_k, int64_t d_shared) {
  KeyPage page{.layout = KeyLayout::rows, .dtype = dtype, .d_k = d_k, .d_shared = d_shared};
  page.shared = kKeyBlock * d_k;
  page.elements = page.shared + kKeyBlock * d_shared;
  return page;
}

KeyBlock KeyPage::block(const std::byte* data) const {
  const size_t bytes = dtype_bytes(dtype);
  return {.k = data,
          .k_shared = data + static_cast<size_t>(shared) * bytes,
          .v = data + static_cast<size_t>(value) * bytes};
}

void KeyPage::describe(AttentionArgs& args) const {
  args.layout = layout;
  args.kv_dtype = dtype;
  args.k_row = args.v_row = row();
  args.k_head = args.v_head = n_heads > 1 || d_v > 0 ? head : 0;
  args.shared_row = d_shared;
}

void store_keys(const KeyPage& page, const Tensor& kv, const Tensor& k_shared, std::span<const KeyRun> runs) {
  kv.expect({-1, page.row()}, "keys to store [tokens, heads * (d_k + d_v)]");
  NURI_ASSERT(kv.contiguous() && (!page.d_shared || k_shared.contiguous()));
  if (page.dtype == DType::bf16) {
    const Tensor kv_rounded = rounded(kv), shared_rounded = page.d_shared ? rounded(k_shared) : Tensor();
    if (meta_active()) return;
    store_all(page, kv_rounded.data<Bf16>(), page.d_shared ? shared_rounded.data<Bf16>() : nullptr, runs);
    return;
  }
  if (meta_active()) return;
  store_all(page, kv.data<float>(), page.d_shared ? k_shared.data<float>() : nullptr, runs);
}

}  // namespace nuri
