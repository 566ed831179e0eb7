// Drivers of the row operations: what is shared among threads, and how. Threads own outputs (rows, or columns where a
// chain runs over rows), so that their number never shows in a bit.
#include "backend/cpu/rows.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "backend/cpu/cpu.h"
#include "backend/cpu/levels.h"
#include "base/threads.h"

namespace nuri::cpu {
namespace {

constexpr int64_t kTaskBytes = 64 << 10;  // of memory that a task touches: much more than claiming it costs

const NormKernels& norm() {
  return pick(portable::norm_kernels, avx2::norm_kernels, avx512::norm_kernels, avx512_bf16::norm_kernels);
}
const ElementKernels& element() {
  return pick(portable::element_kernels, avx2::element_kernels, avx512::element_kernels, avx512_bf16::element_kernels);
}

/// body(begin, end) over n items of `bytes` each.
template <class Body>
void parallel_items(int64_t n, int64_t bytes, Body body) {
  parallel_ranges(n, std::max<int64_t>(1, kTaskBytes / std::max<int64_t>(bytes, 1)), body);
}
/// body(row) over n rows of `bytes` each.
template <class Body>
void parallel_rows(int64_t n, int64_t bytes, Body body) {
  parallel_items(n, bytes, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(row);
  });
}
/// body(begin, end) over ranges of columns, whole cache lines, one or two per thread.
template <class Body>
void parallel_columns(int64_t n_columns, Body body) {
  const int64_t per_thread = (n_columns + thread_count() - 1) / thread_count();
  parallel_ranges(n_columns, (per_thread + 63) / 64 * 64, body);
}

/// BF16 numbers from element `at` on, as kernels see them; null stays null.
uint16_t* words(Bf16* p, int64_t at) { return p ? reinterpret_cast<uint16_t*>(p) + at : nullptr; }

/// A gain as FP32: itself, or widened.
class Gain {
 public:
  Gain(const void* g, DType dtype, int64_t d) : data_(static_cast<const float*>(g)) {
    if (dtype != DType::bf16) return;
    wide_.resize(static_cast<size_t>(d));
    element().widen(d, static_cast<const uint16_t*>(g), wide_.data());
    data_ = wide_.data();
  }
  const float* data() const { return data_; }

 private:
  const float* data_;
  std::vector<float> wide_;
};

void rmsnorm(const RmsNormArgs& a) {
  const NormKernels& k = norm();
  const ElementKernels& e = element();
  const Gain g(a.g, a.g_dtype, a.d);
  parallel_rows(a.n_tokens, a.d * (a.addend ? 16 : 8), [&](int64_t t) {
    const float* x = a.x + t * a.x_stride;
    if (a.addend) {  // the row's sum is in the first cache when it is normed
      float* sum = a.sum + t * a.d;
      e.add(a.d, x, a.addend + t * a.d, sum);
      x = sum;
    }
    const float r =
        k.rmsnorm(a.d, x, g.data(), a.eps, a.y ? a.y + t * a.y_stride : nullptr, words(a.y_rounded, t * a.d));
    if (a.r) a.r[t] = r;
  });
}

void rmsnorm_grad(const RmsNormGradArgs& a) {
  const NormKernels& k = norm();
  const Gain g(a.g, a.g_dtype, a.d);
  parallel_rows(a.n_tokens, a.d * 12, [&](int64_t t) {
    k.rmsnorm_dx(a.d, a.x + t * a.x_stride, g.data(), a.r[t], a.dy + t * a.dy_stride, a.dx + t * a.dx_stride,
                 a.dx_accumulate);
  });
  if (!a.dg || a.n_tokens == 0) return;
  parallel_columns(a.d, [&](int64_t begin, int64_t end) {
    k.rmsnorm_dg(a.n_tokens, end - begin, a.x + begin, a.x_stride, a.r, a.dy + begin, a.dy_stride, a.dg + begin);
  });
}

void rope(const RopeArgs& a) {
  const ElementKernels& k = element();
  parallel_rows(a.n_tokens, a.n_heads * a.dim * 8, [&](int64_t t) {
    const int64_t angle = a.positions[t] * (a.dim / 2);
    k.rope(a.n_heads, a.dim, a.x + t * a.x_row, a.x_head, a.cos + angle, a.sin + angle, a.interleaved, a.inverse,
           a.y + t * a.y_row, a.y_head);
  });
}

void embedding(const EmbeddingArgs& a) {
  const ElementKernels& k = element();
  parallel_rows(a.n_tokens, a.d * 8, [&](int64_t t) {
    const int64_t from = a.ids[t] * a.d;
    if (a.dtype == DType::bf16)
      k.widen(a.d, static_cast<const uint16_t*>(a.table) + from, a.y + t * a.d);
    else
      std::memcpy(a.y + t * a.d, static_cast<const float*>(a.table) + from, static_cast<size_t>(a.d) * 4);
  });
}

void embedding_grad(const EmbeddingGradArgs& a) {
  const ElementKernels& k = element();
  parallel_columns(a.d, [&](int64_t begin, int64_t end) {
    for (int64_t t = 0; t < a.n_tokens; ++t) {
      float* row = a.dtable + a.ids[t] * a.d + begin;
      k.add(end - begin, row, a.dy + t * a.d + begin, row);
    }
  });
}

void swiglu(const SwigluArgs& a) {
  const ElementKernels& k = element();
  parallel_rows(a.n_tokens, a.d * 12, [&](int64_t t) {
    const float* gate = a.gu + 2 * t * a.d;
    k.swiglu(a.d, gate, gate + a.d, a.h ? a.h + t * a.d : nullptr, words(a.h_rounded, t * a.d));
  });
}

void swiglu_grad(const SwigluGradArgs& a) {
  const ElementKernels& k = element();
  parallel_rows(a.n_tokens, a.d * 20, [&](int64_t t) {
    const float* gate = a.gu + 2 * t * a.d;
    float* dgate = a.dgu ? a.dgu + 2 * t * a.d : nullptr;
    k.swiglu_grad(a.d, gate, gate + a.d, a.dh + t * a.d, dgate, dgate ? dgate + a.d : nullptr,
                  words(a.dgu_rounded, 2 * t * a.d), words(a.dgu_rounded, (2 * t + 1) * a.d));
  });
}

void add(const AddArgs& a) {
  const ElementKernels& k = element();
  parallel_items(a.n, 12,
                 [&](int64_t begin, int64_t end) { k.add(end - begin, a.a + begin, a.b + begin, a.y + begin); });
}

void round(const RoundArgs& a) {
  const ElementKernels& k = element();
  uint16_t* y = reinterpret_cast<uint16_t*>(a.y);
  parallel_items(a.n, 6, [&](int64_t begin, int64_t end) { k.round(end - begin, a.x + begin, y + begin); });
}

/// A stretch of one of several tensors.
struct Piece {
  int32_t item;
  int64_t begin, size;
};
template <class Args>
std::vector<Piece> pieces_of(std::span<const Args> items, int64_t size) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < items.size(); ++i)
    for (int64_t begin = 0; begin < items[i].n; begin += size)
      pieces.push_back({static_cast<int32_t>(i), begin, std::min(size, items[i].n - begin)});
  return pieces;
}

void adamw(std::span<const AdamWArgs> items) {
  constexpr int64_t kPiece = 8 * 1024;  // elements
  const ElementKernels& k = element();
  const std::vector<Piece> pieces = pieces_of(items, kPiece);
  parallel_parts(static_cast<int64_t>(pieces.size()), [&](int64_t i) {
    const auto [item, begin, size] = pieces[static_cast<size_t>(i)];
    const AdamWArgs& a = items[static_cast<size_t>(item)];
    const AdamWConstants constants = {a.clip, a.beta1,        1.0f - a.beta1, a.beta2, 1.0f - a.beta2,
                                      a.lr,   a.lr * a.decay, a.bias1,        a.bias2, a.eps};
    k.adamw(size, constants, a.grad + begin, a.p + begin, a.m + begin, a.v + begin,
            a.copy ? reinterpret_cast<uint16_t*>(a.copy) + begin : nullptr);
  });
}

void square_sum(std::span<const SquareSumArgs> items) {
  constexpr int64_t kBlock = 4096;  // kSquareSumBlock of ops/square_sum.h
  const NormKernels& k = norm();
  const std::vector<Piece> blocks = pieces_of(items, kBlock);
  std::vector<float> sums(blocks.size());
  parallel_rows(static_cast<int64_t>(blocks.size()), kBlock * 4, [&](int64_t b) {
    const auto [item, begin, size] = blocks[static_cast<size_t>(b)];
    sums[static_cast<size_t>(b)] = k.square_sum(size, items[static_cast<size_t>(item)].x + begin);
  });
  for (const SquareSumArgs& a : items) *a.sum = 0;
  for (size_t b = 0; b < blocks.size(); ++b)
    *items[static_cast<size_t>(blocks[b].item)].sum += static_cast<double>(sums[b]);
}

// ------------------------------------------------------------------------------------------------ router and experts

const MoeKernels& moe() {
  return pick(portable::moe_kernels, avx2::moe_kernels, avx512::moe_kernels, avx512_bf16::moe_kernels);
}

void router(const RouterArgs& a) {
  const MoeKernels& k = moe();
  const RouterShape shape = {a.n_experts, a.n_active, a.n_groups, a.n_kept_groups, a.normalise, a.route_scale};
  // The scores of a token cost far more than their bytes.
  parallel_items(a.n_tokens, a.n_experts * 64, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(static_cast<size_t>(a.n_experts + 64 + a.n_groups));
    for (int64_t t = begin; t < end; ++t)
      k.router(shape, a.logits + t * a.n_experts, a.bias, scratch.data(), a.scores + t * a.n_experts,
               a.experts + t * a.n_active, a.weights + t * a.n_active);
  });
}

void router_grad(const RouterGradArgs& a) {
  const MoeKernels& k = moe();
  const RouterShape shape = {a.n_experts, a.n_active, 1, 1, a.normalise, a.route_scale};
  parallel_rows(a.n_tokens, a.n_experts * 16, [&](int64_t t) {
    k.router_grad(shape, a.scores + t * a.n_experts, a.experts + t * a.n_active, a.dweights + t * a.n_active,
                  a.balance_f ? a.balance_f + a.row_of[t] * a.n_experts : nullptr, a.dlogits + t * a.n_experts);
  });
}

void combine(const CombineArgs& a) {
  const MoeKernels& k = moe();
  const ElementKernels& e = element();
  parallel_rows(a.n_tokens, a.d * 4 * (a.n_active + 2), [&](int64_t t) {
    float* y = a.y + t * a.d;
    k.combine(a.d, a.n_active, a.shared ? a.shared + t * a.d : nullptr, a.f, a.slots + t * a.n_active,
              a.weights + t * a.n_active, y);
    if (a.residual) e.add(a.d, a.residual + t * a.d, y, y);
  });
}

void combine_grad(const CombineGradArgs& a) {
  const MoeKernels& k = moe();
  parallel_rows(a.n_tokens, a.d * 4 * (2 * a.n_active + 1), [&](int64_t t) {
    k.combine_grad(a.d, a.n_active, a.f, a.slots + t * a.n_active, a.weights + t * a.n_active, a.dy + t * a.d, a.df,
                   words(a.df_rounded, 0), a.dweights + t * a.n_active);
  });
}

void gather_grad(const GatherGradArgs& a) {
  const MoeKernels& k = moe();
  parallel_rows(a.n_tokens, a.d * 4 * (a.n_active + 1),
                [&](int64_t t) { k.gather_grad(a.d, a.n_active, a.dxs, a.slots + t * a.n_active, a.dx + t * a.d); });
}

// ------------------------------------------------------------------------------------------------------------- softmax

const SoftmaxKernels& softmax() {
  return pick(portable::softmax_kernels, avx2::softmax_kernels, avx512::softmax_kernels, avx512_bf16::softmax_kernels);
}

void log_sum_exp(const LogSumExpArgs& a) {
  const SoftmaxKernels& k = softmax();
  parallel_rows(a.n_rows, a.vocab * 16,
                [&](int64_t r) { a.lse[r] = k.log_sum_exp(a.vocab, a.logits + r * a.stride, a.inv_temperature); });
}

void sampler_logits(const SamplerLogitsArgs& a) {
  *a.largest = softmax().sampler_logits(a.n, a.logits, a.inv_temperature, a.allowed, a.z);
}

void softmax_weights(const SoftmaxWeightsArgs& a) { softmax().weights(a.n, a.z, a.largest, a.weights); }

void cross_entropy_grad(const CrossEntropyGradArgs& a) {
  const SoftmaxKernels& k = softmax();
  parallel_rows(a.n_rows, a.vocab * 16, [&](int64_t r) {
    k.cross_entropy_grad(a.vocab, a.logits + r * a.stride, a.lse[r], a.targets[r], a.weights[r], a.rounded);
  });
}

}  // namespace

void add_rows(KernelTable& table) {
  table.rmsnorm = rmsnorm;
  table.rmsnorm_grad = rmsnorm_grad;
  table.rope = rope;
  table.embedding = embedding;
  table.embedding_grad = embedding_grad;
  table.swiglu = swiglu;
  table.swiglu_grad = swiglu_grad;
  table.router = router;
  table.router_grad = router_grad;
  table.combine = combine;
  table.combine_grad = combine_grad;
  table.gather_grad = gather_grad;
  table.log_sum_exp = log_sum_exp;
  table.sampler_logits = sampler_logits;
  table.softmax_weights = softmax_weights;
  table.cross_entropy_grad = cross_entropy_grad;
  table.add = add;
  table.round = round;
  table.adamw = adamw;
  table.square_sum = square_sum;
}

}  // namespace nuri::cpu
