#include "backend/work.h"

#include <fmt/format.h>

#include <vector>

#include "backend/kernels.h"

namespace nuri {
namespace {

using profile::Kind;
using profile::Work;

double as_double(int64_t n) { return static_cast<double>(n); }

/// A kernel over n_tokens rows of d, with so many bytes and operations for each element.
Work rows(const char* kernel, int64_t n_tokens, int64_t d, double bytes, double flops) {
  const double n = as_double(n_tokens) * as_double(d);
  return {kernel, Kind::elementwise, fmt::format("{} x {}", n_tokens, d), flops * n, bytes * n};
}
double operand_bytes(const Operand& x, int64_t rows, int64_t columns) {
  return as_double(rows) * as_double(columns) * as_double(static_cast<int64_t>(dtype_bytes(x.dtype)));
}

/// Products of one call that differ in one size only (the tokens of experts) count as one, with that size added up.
struct ProductGroup {
  int64_t m, n, k, count;
  bool accumulate, sum_k;
};

Work product_work(std::span<const ProductArgs> items) {
  Work work{"product", Kind::product, {}};
  std::vector<ProductGroup> groups;
  for (const ProductArgs& p : items) {
    work.flops += 2 * as_double(p.m) * as_double(p.n) * as_double(p.k);
    work.bytes += operand_bytes(p.a, p.m, p.k);
    work.bytes +=
        p.packed ? as_double(static_cast<int64_t>(packed_bytes(p.precision, p.k, p.n))) : operand_bytes(p.b, p.k, p.n);
    work.bytes += as_double(p.m) * as_double(p.n) * (p.accumulate ? 8 : 4);
    work.bf16 |= p.precision == Precision::bf16;
    bool found = false;
    for (ProductGroup& g : groups) {
      // A turned: a weight gradient, whose tokens run along k.
      if (g.accumulate != p.accumulate || g.sum_k != p.a.transposed || g.n != p.n) continue;
      if (g.sum_k ? g.m != p.m : g.k != p.k) continue;
      found = true;
      ++g.count;
      (g.sum_k ? g.k : g.m) += g.sum_k ? p.k : p.m;
      break;
    }
    if (!found) groups.push_back({p.m, p.n, p.k, 1, p.accumulate, p.a.transposed});
  }
  for (const ProductGroup& g : groups)
    work.shape +=
        fmt::format("{}{}{} x {} x {}{}", work.shape.empty() ? "" : " + ",
                    g.count > 1 ? fmt::format("{}: ", g.count) : "", g.m, g.n, g.k, g.accumulate ? " +=" : "");
  return work;
}

/// Pairs of a query and a key it sees.
double visible_pairs(const AttentionArgs& a) {
  double pairs = 0;
  for (const AttentionSequence& s : a.sequences)
    pairs +=
        as_double(s.n_queries) * as_double(s.first_position) + as_double(s.n_queries) * as_double(s.n_queries + 1) / 2;
  return pairs * as_double(a.n_heads);
}

Work attention_work(const char* name, const AttentionArgs& a, double products_of_scores, double products_of_values) {
  int64_t queries = 0, keys = 0;
  for (const AttentionSequence& s : a.sequences) queries += s.n_queries, keys += s.first_position + s.n_queries;
  const double d_qk = as_double(a.d_k + a.d_shared), d_v = as_double(a.d_v);
  Work work{name, Kind::attention,
            fmt::format("{} sequences, {} queries, {} keys, {} heads x ({} + {}, {})", a.sequences.size(), queries,
                        keys, a.n_heads, a.d_k, a.d_shared, a.d_v)};
  work.flops = 2 * visible_pairs(a) * (products_of_scores * d_qk + products_of_values * d_v);
  const double element = as_double(static_cast<int64_t>(dtype_bytes(a.kv_dtype)));
  const double of_key = as_double(a.k_head ? a.n_heads * a.d_k : a.d_k) + as_double(a.d_shared) +
                        as_double(a.v_head ? a.n_heads * a.d_v : 0);
  work.bytes = as_double(keys) * of_key * element + as_double(queries) * as_double(a.n_heads) * (d_qk + d_v) * 4;
  work.bf16 = a.precision == Precision::bf16;
  return work;
}

}  // namespace

Work work_of(const std::span<const ProductArgs>& items) { return product_work(items); }

Work work_of(const std::span<const PackArgs>& items) {
  Work work{"pack", Kind::packing, {}};
  for (const PackArgs& item : items) {
    const PackedMatrix& b = *item.packed;
    work.bytes +=
        operand_bytes(item.source, b.k, b.n) + as_double(static_cast<int64_t>(packed_bytes(b.precision, b.k, b.n)));
  }
  if (!items.empty()) work.shape = fmt::format("{}: {} x {}", items.size(), items[0].packed->k, items[0].packed->n);
  return work;
}

Work work_of(const AttentionArgs& a) { return attention_work("attention", a, 1, 1); }
// Scores again, dq and dk: three products of the width of a key; dp and dv: two of a value's.
Work work_of(const AttentionGradArgs& a) { return attention_work("attention_grad", a.forward, 3, 2); }

Work work_of(const RmsNormArgs& a) {
  return rows(a.addend ? "add_rmsnorm" : "rmsnorm", a.n_tokens, a.d,
              4 + (a.addend ? 8 : 0) + (a.y ? 4 : 0) + (a.y_rounded ? 2 : 0), a.addend ? 5 : 4);
}
Work work_of(const RmsNormGradArgs& a) {
  return rows("rmsnorm_grad", a.n_tokens, a.d, a.dx_accumulate ? 16 : 12, a.dg ? 12 : 9);
}
Work work_of(const RopeArgs& a) { return rows("rope", a.n_tokens, a.n_heads * a.dim, 8, 3); }
Work work_of(const EmbeddingArgs& a) {
  return rows("embedding", a.n_tokens, a.d, 4 + as_double(static_cast<int64_t>(dtype_bytes(a.dtype))), 0);
}
Work work_of(const EmbeddingGradArgs& a) { return rows("embedding_grad", a.n_tokens, a.d, 12, 1); }
Work work_of(const SwigluArgs& a) { return rows("swiglu", a.n_tokens, a.d, a.h ? 12 : 10, 20); }
Work work_of(const SwigluGradArgs& a) { return rows("swiglu_grad", a.n_tokens, a.d, a.dgu ? 20 : 16, 26); }
Work work_of(const RouterArgs& a) { return rows("router", a.n_tokens, a.n_experts, 8, 20); }
Work work_of(const RouterGradArgs& a) { return rows("router_grad", a.n_tokens, a.n_experts, 8, 10); }
Work work_of(const CombineArgs& a) {
  return rows("combine", a.n_tokens, a.d, as_double(4 * (a.n_active + (a.shared ? 2 : 1) + (a.residual ? 1 : 0))),
              as_double(2 * a.n_active + (a.residual ? 1 : 0)));
}
Work work_of(const CombineGradArgs& a) {
  return rows("combine_grad", a.n_tokens, a.d, as_double(4 + (a.df ? 8 : 6) * a.n_active), 3 * as_double(a.n_active));
}
Work work_of(const GatherGradArgs& a) {
  return rows("gather_grad", a.n_tokens, a.d, as_double(4 * (a.n_active + 1)), as_double(a.n_active));
}
Work work_of(const LogSumExpArgs& a) { return rows("log_sum_exp", a.n_rows, a.vocab, 4, 20); }
Work work_of(const SamplerLogitsArgs& a) { return rows("sampler_logits", 1, a.n, 2, 9); }
Work work_of(const SoftmaxWeightsArgs& a) { return rows("softmax_weights", 1, a.n, 8, 12); }
Work work_of(const CrossEntropyGradArgs& a) {
  return rows("cross_entropy_grad", a.n_rows, a.vocab, a.rounded ? 6 : 8, 20);
}
Work work_of(const AddArgs& a) { return rows("add", 1, a.n, 12, 1); }
Work work_of(const RoundArgs& a) { return rows("round", 1, a.n, 6, 0); }

Work work_of(const std::span<const AdamWArgs>& items) {
  Work work{"adamw", Kind::optimizer, {}};
  int64_t n = 0;
  for (const AdamWArgs& a : items) {
    work.flops += 16 * as_double(a.n);
    work.bytes += (a.copy ? 30 : 28) * as_double(a.n);
    n += a.n;
  }
  work.shape = fmt::format("{} tensors, {}", items.size(), n);
  return work;
}
Work work_of(const AxpbyArgs& a) {
  Work work = rows("axpby", 1, a.n, 12, 3);
  work.kind = Kind::optimizer;
  return work;
}
namespace {
/// Muon's elementwise kernels: so many bytes and operations for each element of all matrices.
template <class Args>
Work muon_work(const char* kernel, const Args& a, double bytes, double flops) {
  int64_t n = 0;
  for (const auto& matrix : a.matrices) n += matrix.n;
  return {kernel, Kind::optimizer, fmt::format("{} matrices, {}", a.matrices.size(), n), flops * as_double(n),
          bytes * as_double(n)};
}
}  // namespace
Work work_of(const MuonMomentumArgs& a) { return muon_work("muon_momentum", a, 16, 7); }
Work work_of(const MuonUpdateArgs& a) { return muon_work("muon_update", a, 14, 4); }
Work work_of(const std::span<const SquareSumArgs>& items) {
  Work work{"square_sum", Kind::optimizer, {}};
  int64_t n = 0;
  for (const SquareSumArgs& a : items) n += a.n;
  work.flops = 2 * as_double(n);
  work.bytes = 4 * as_double(n);
  work.shape = fmt::format("{} tensors, {}", items.size(), n);
  return work;
}

}  // namespace nuri
