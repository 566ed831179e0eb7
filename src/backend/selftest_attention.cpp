// Attention, both forms of MLA: ragged training batches forward and backward, and a decode that crosses segments.
#include "backend/selftest_entries.h"

namespace nuri::selftest {
namespace {

constexpr int64_t kHeads = 3;

struct Form {
  bool absorbed;  ///< one key for all heads, its first d_v elements are the value
  int64_t d_k, d_shared, d_v;
};
constexpr Form kExpanded = {false, 13, 6, 11}, kAbsorbed = {true, 35, 5, 35};

/// Sequences of `length` keys whose last `queries` tokens ask; keys of a sequence lie together.
struct Case {
  struct Sequence {
    int64_t length, queries;
  };
  Form form;
  int64_t keys = 0, tokens = 0;
  int64_t kv_row, kv_head;
  std::vector<float> q, kv, shared, out, lse, row_max;
  std::vector<uint16_t> kv_narrow, shared_narrow;
  std::vector<KeyBlock> blocks;
  std::vector<AttentionSequence> sequences;
  AttentionArgs args;

  Case(Form f, Precision precision, DType kv_dtype, std::span<const Sequence> list) : form(f) {
    for (const Sequence& s : list) keys += s.length, tokens += s.queries;
    kv_row = form.absorbed ? form.d_k : kHeads * (form.d_k + form.d_v);
    kv_head = form.absorbed ? 0 : form.d_k + form.d_v;
    const int64_t d_q = form.d_k + form.d_shared;
    q = numbers(tokens * kHeads * d_q, 500, 2);
    kv = numbers(keys * kv_row, 501);
    shared = numbers(keys * form.d_shared, 502);
    kv_narrow = rounded(kv), shared_narrow = rounded(shared);
    out = room(tokens * kHeads * form.d_v), lse = room(tokens * kHeads), row_max = lse;
    const bool narrow = kv_dtype == DType::bf16;
    const auto at = [&](auto& wide, auto& bf16, int64_t i) -> const void* {
      return narrow ? static_cast<const void*>(bf16.data() + i) : wide.data() + i;
    };
    int64_t first_key = 0, first_row = 0;
    std::vector<size_t> first_block;
    for (const Sequence& s : list) {
      first_block.push_back(blocks.size());
      for (int64_t key = first_key; key < first_key + s.length; key += kKeyBlock)
        blocks.push_back({.k = at(kv, kv_narrow, key * kv_row),
                          .k_shared = at(shared, shared_narrow, key * form.d_shared),
                          .v = at(kv, kv_narrow, key * kv_row + (form.absorbed ? 0 : form.d_k))});
      sequences.push_back({.first_row = first_row, .n_queries = s.queries, .first_position = s.length - s.queries});
      first_key += s.length, first_row += s.queries;
    }
    for (size_t i = 0; i < sequences.size(); ++i) sequences[i].blocks = blocks.data() + first_block[i];
    args = {.precision = precision,
            .n_heads = kHeads,
            .d_k = form.d_k,
            .d_shared = form.d_shared,
            .d_v = form.d_v,
            .scale = 0.25f,
            .kv_dtype = kv_dtype,
            .k_row = kv_row,
            .k_head = kv_head,
            .shared_row = form.d_shared,
            .v_row = kv_row,
            .v_head = kv_head,
            .q = q.data(),
            .q_row = kHeads * d_q,
            .q_head = d_q,
            .sequences = sequences,
            .out = out.data(),
            .out_row = kHeads * form.d_v,
            .out_head = form.d_v,
            .lse = lse.data(),
            .row_max = row_max.data()};
  }
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;
};

constexpr Case::Sequence kTraining[] = {{70, 70}, {1, 1}, {129, 129}, {64, 64}};
constexpr Case::Sequence kServing[] = {{1090, 3}, {65, 1}, {130, 67}, {2, 2}};

bool forward(BitHash& hash, Form form, Precision precision, DType kv_dtype, std::span<const Case::Sequence> list) {
  if (!kernels().attention) return false;
  Case c(form, precision, kv_dtype, list);
  kernels().attention(c.args);
  hash.add(c.out), hash.add(c.lse), hash.add(c.row_max);
  return true;
}

bool backward(BitHash& hash, Form form, Precision precision) {
  if (!kernels().attention || !kernels().attention_grad) return false;
  Case c(form, precision, DType::f32, kTraining);
  kernels().attention(c.args);
  const std::vector<float> dout = numbers(static_cast<int64_t>(c.out.size()), 503);
  std::vector<float> dq(c.q.size()), dkv(c.kv.size()), dshared(c.shared.size());
  kernels().attention_grad({.forward = c.args,
                            .v_is_k = form.absorbed,
                            .dout = dout.data(),
                            .dq = dq.data(),
                            .dk = dkv.data(),
                            .dk_shared = dshared.data(),
                            .dv = form.absorbed ? nullptr : dkv.data() + form.d_k});
  hash.add(dq), hash.add(dkv), hash.add(dshared);
  return true;
}

constexpr Precision kF32 = Precision::f32, kBf16 = Precision::bf16;
constexpr Entry kEntries[] = {
    {"kernel/attention_expanded_f32", [](BitHash& h) { return forward(h, kExpanded, kF32, DType::f32, kTraining); }},
    {"kernel/attention_expanded_bf16", [](BitHash& h) { return forward(h, kExpanded, kBf16, DType::f32, kTraining); }},
    {"kernel/attention_absorbed_f32", [](BitHash& h) { return forward(h, kAbsorbed, kF32, DType::f32, kTraining); }},
    {"kernel/attention_absorbed_bf16", [](BitHash& h) { return forward(h, kAbsorbed, kBf16, DType::f32, kTraining); }},
    {"kernel/attention_serving_expanded_f32",
     [](BitHash& h) { return forward(h, kExpanded, kF32, DType::f32, kServing); }},
    {"kernel/attention_serving_expanded_bf16",
     [](BitHash& h) { return forward(h, kExpanded, kBf16, DType::bf16, kServing); }},
    {"kernel/attention_serving_absorbed_bf16",
     [](BitHash& h) { return forward(h, kAbsorbed, kBf16, DType::bf16, kServing); }},
    {"kernel/attention_grad_expanded_f32", [](BitHash& h) { return backward(h, kExpanded, kF32); }},
    {"kernel/attention_grad_expanded_bf16", [](BitHash& h) { return backward(h, kExpanded, kBf16); }},
    {"kernel/attention_grad_absorbed_f32", [](BitHash& h) { return backward(h, kAbsorbed, kF32); }},
    {"kernel/attention_grad_absorbed_bf16", [](BitHash& h) { return backward(h, kAbsorbed, kBf16); }},
};

}  // namespace

std::span<const Entry> attention_entries() { return kEntries; }

}  // namespace nuri::selftest
