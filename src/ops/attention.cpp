#include "ops/attention.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "autograd/kept.h"
#include "autograd/tape.h"
#include "ops/attention_reference.h"

namespace nuri {
namespace {

/// p + n; null stays null (no shared part, or a meta run).
template <class T>
T* from(T* p, int64_t n) {
  return p ? p + n : nullptr;
}

/// Keys of one training batch: contiguous tokens, 64 to a block, sequence after sequence.
struct Keys {
  const float* k;
  const float* k_shared;
  const float* v;
};

/// Arguments with the arrays that they point to.
struct Call {
  AttentionArgs args;
  std::vector<KeyBlock> blocks;
  std::vector<AttentionSequence> sequences;

  void set_sequences(const std::vector<int64_t>& offsets, const Keys& keys) {
    int64_t n_blocks = 0;
    for (size_t s = 0; s + 1 < offsets.size(); ++s)
      n_blocks += (offsets[s + 1] - offsets[s] + kKeyBlock - 1) / kKeyBlock;
    blocks.reserve(static_cast<size_t>(n_blocks));
    for (size_t s = 0; s + 1 < offsets.size(); ++s) {
      if (offsets[s] == offsets[s + 1]) continue;
      sequences.push_back({.first_row = offsets[s],
                           .n_queries = offsets[s + 1] - offsets[s],
                           .first_position = 0,
                           .blocks = blocks.data() + blocks.size()});
      for (int64_t row = offsets[s]; row < offsets[s + 1]; row += kKeyBlock)
        blocks.push_back({.k = from(keys.k, row * args.k_row),
                          .k_shared = from(keys.k_shared, row * args.shared_row),
                          .v = from(keys.v, row * args.v_row)});
    }
    args.sequences = sequences;
  }
};

void check_offsets(const std::vector<int64_t>& offsets, int64_t n_tokens) {
  NURI_ASSERT(!offsets.empty() && offsets.front() == 0 && offsets.back() == n_tokens &&
                  std::is_sorted(offsets.begin(), offsets.end()),
              "sequence offsets must ascend from 0 to {}", n_tokens);
}

/// Largest score of each head over the rows of row_max [tokens, n_heads]; -inf where there is none.
void largest(const Tensor& row_max, float* head_max) {
  const int64_t n_heads = row_max.dim(1);
  std::fill(head_max, head_max + n_heads, -std::numeric_limits<float>::infinity());
  if (meta_active()) return;
  for (int64_t t = 0; t < row_max.dim(0); ++t)
    for (int64_t h = 0; h < n_heads; ++h) head_max[h] = std::max(head_max[h], row_max.data<float>()[t * n_heads + h]);
}

/// The tensors of one attention.
struct Inputs {
  Tensor q, kv, k_rope;
};

/// One attention, in either form of MLA.
struct Form {
  const char* op;
  std::vector<int64_t> offsets;
  int64_t n_heads, d_k, d_v, d_shared;
  int64_t kv_head;  ///< elements from one head to the next in kv; 0: one key, which is also the value
  float scale;
  Precision precision;

  bool absorbed() const { return kv_head == 0; }
  int64_t value_at() const { return absorbed() ? 0 : d_k; }

  void fill(Call& call, const Inputs& in, const Tensor& out, const Tensor& lse) const {
    const auto& [q, kv, k_rope] = in;
    call.args = {.precision = precision,
                 .n_heads = n_heads,
                 .d_k = d_k,
                 .d_shared = d_shared,
                 .d_v = d_v,
                 .scale = scale,
                 .kv_dtype = DType::f32,
                 .k_row = kv.dim(1),
                 .k_head = kv_head,
                 .shared_row = d_shared,
                 .v_row = kv.dim(1),
                 .v_head = kv_head,
                 .q = q.data<float>(),
                 .q_row = q.dim(1),
                 .q_head = d_k + d_shared,
                 .sequences = {},
                 .out = out.data<float>(),
                 .out_row = out.dim(1),
                 .out_head = d_v,
                 .lse = lse.data<float>()};
    const float* k = kv.data<float>();
    call.set_sequences(offsets,
                       {.k = k, .k_shared = d_shared ? k_rope.data<float>() : nullptr, .v = from(k, value_at())});
  }

  void backward(Tape& tape, const Inputs& in, const std::array<uint64_t, 3>& ids, const Tensor& out,
                const Tensor& lse) const {
    const Tensor dout = tape.take_grad(out);
    if (!dout.defined()) return;
    Tensor dq = Tensor::empty(in.q.shape()), dkv = Tensor::empty(in.kv.shape()), dk_rope;
    if (d_shared) dk_rope = Tensor::empty(in.k_rope.shape());
    Call call;
    fill(call, in, out, lse);
    float* dk = dkv.data<float>();
    run_counted(kernels().attention_grad, reference::attention_grad,
                AttentionGradArgs{.forward = call.args,
                                  .v_is_k = absorbed(),
                                  .dout = dout.data<float>(),
                                  .dq = dq.data<float>(),
                                  .dk = dk,
                                  .dk_shared = d_shared ? dk_rope.data<float>() : nullptr,
                                  .dv = absorbed() ? nullptr : from(dk, value_at())});
    tape.add_grad(ids[0], dq);
    tape.add_grad(ids[1], dkv);
    if (d_shared) tape.add_grad(ids[2], dk_rope);
  }
};

Tensor attend(const Form& form, const Inputs& in, float* head_max) {
  const int64_t n_tokens = in.q.dim(0);
  check_offsets(form.offsets, n_tokens);
  in.q.expect({n_tokens, form.n_heads * (form.d_k + form.d_shared)}, "attention q [tokens, n_heads * (d_k + d_rope)]");
  NURI_ASSERT(in.q.contiguous() && in.kv.contiguous() && (!form.d_shared || in.k_rope.contiguous()));
  const Tensor out = Tensor::empty({n_tokens, form.n_heads * form.d_v});
  const Tensor lse = Tensor::empty({n_tokens, form.n_heads});
  Tensor row_max;
  if (head_max) row_max = Tensor::empty({n_tokens, form.n_heads}, DType::f32, Owner::scratch);
  Call call;
  form.fill(call, in, out, lse);
  if (head_max) call.args.row_max = row_max.data<float>();
  attention_paged(call.args);
  if (head_max) largest(row_max, head_max);
  if (Tape* tape = Tape::current()) {
    const std::array<uint64_t, 3> ids = {in.q.id(), in.kv.id(), form.d_shared ? in.k_rope.id() : 0};
    tape->record(form.op, [form, q = Kept(in.q), kv = Kept(in.kv), k_rope = in.k_rope, ids, out, lse](Tape& t) {
      form.backward(t, {q.get(), kv.get(), k_rope}, ids, out, lse);
    });
  }
  observe(form.op, out);
  return out;
}

}  // namespace

Tensor attention_expanded(const Tensor& q, const Tensor& kv, const Tensor& k_rope, const std::vector<int64_t>& offsets,
                          int64_t n_heads, int64_t d_nope, int64_t d_v, float scale, Precision precision,
                          float* head_max) {
  kv.expect({q.dim(0), n_heads * (d_nope + d_v)}, "attention kv [tokens, n_heads * (d_nope + d_v)]");
  if (k_rope.defined()) k_rope.expect({q.dim(0), -1}, "attention k_rope [tokens, d_rope]");
  return attend({.op = "attention",
                 .offsets = offsets,
                 .n_heads = n_heads,
                 .d_k = d_nope,
                 .d_v = d_v,
                 .d_shared = k_rope.defined() ? k_rope.dim(1) : 0,
                 .kv_head = d_nope + d_v,
                 .scale = scale,
                 .precision = precision},
                {q, kv, k_rope}, head_max);
}

Tensor attention_absorbed(const Tensor& q, const Tensor& c, const Tensor& k_rope, const std::vector<int64_t>& offsets,
                          int64_t n_heads, float scale, Precision precision, float* head_max) {
  c.expect({q.dim(0), -1}, "attention c [tokens, rank]");
  if (k_rope.defined()) k_rope.expect({q.dim(0), -1}, "attention k_rope [tokens, d_rope]");
  return attend({.op = "attention_absorbed",
                 .offsets = offsets,
                 .n_heads = n_heads,
                 .d_k = c.dim(1),
                 .d_v = c.dim(1),
                 .d_shared = k_rope.defined() ? k_rope.dim(1) : 0,
                 .kv_head = 0,
                 .scale = scale,
                 .precision = precision},
                {q, c, k_rope}, head_max);
}

void attention_paged(const AttentionArgs& args) {
  NURI_ASSERT(args.n_heads > 0 && args.d_k > 0 && args.d_shared >= 0 && args.d_v > 0, "{} heads, {} + {}, {}",
              args.n_heads, args.d_k, args.d_shared, args.d_v);
  NURI_ASSERT(args.kv_dtype == DType::f32 || (args.kv_dtype == DType::bf16 && args.precision == Precision::bf16),
              "keys are {} in {} precision", dtype_name(args.kv_dtype), precision_name(args.precision));
  NURI_ASSERT(args.layout == KeyLayout::rows || (args.kv_dtype == DType::bf16) == (args.precision == Precision::bf16),
              "panels of {} in {} precision", dtype_name(args.kv_dtype), precision_name(args.precision));
  for (const AttentionSequence& sequence : args.sequences)
    NURI_ASSERT(sequence.first_row >= 0 && sequence.n_queries >= 0 && sequence.first_position >= 0 &&
                    (sequence.n_queries == 0 || sequence.blocks),
                "sequence at row {}: {} queries from position {}", sequence.first_row, sequence.n_queries,
                sequence.first_position);
  run_counted(kernels().attention, reference::attention, args);
}

}  // namespace nuri
