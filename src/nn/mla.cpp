#include "nn/mla.h"

#include <algorithm>

#include "autograd/tape.h"
#include "base/x1.h"
#include "ops/attention.h"
#include "ops/axpby.h"
#include "ops/linear.h"
#include "ops/residual.h"
#include "ops/rmsnorm.h"
#include "ops/rope.h"
#include "ops/round.h"

namespace nuri {

Mla::Mla(const DeepseekV3Config& c, const std::string& p, DType dtype, bool trainable) : config_(c) {
  const int64_t q_dim = c.n_heads * c.qk_head_dim(), kv_a = c.kv_lora_rank + c.qk_rope_head_dim;
  const bool latent = c.q_lora_rank > 0;
  down_ = Weight({{p + (latent ? "q_a_proj.weight" : "q_proj.weight"), {latent ? c.q_lora_rank : q_dim, c.d_model}},
                  {p + "kv_a_proj_with_mqa.weight", {kv_a, c.d_model}}},
                 dtype, trainable);
  if (latent) {
    q_norm_ = Weight({{p + "q_a_layernorm.weight", {c.q_lora_rank}}}, dtype, trainable);
    q_up_ = Weight({{p + "q_b_proj.weight", {q_dim, c.q_lora_rank}}}, dtype, trainable);
  }
  kv_norm_ = Weight({{p + "kv_a_layernorm.weight", {c.kv_lora_rank}}}, dtype, trainable);
  kv_up_ = Weight({{p + "kv_b_proj.weight", {c.n_heads * (c.qk_nope_head_dim + c.v_head_dim), c.kv_lora_rank}}}, dtype,
                  trainable);
  kv_up_.reads = Reads::rows;
  out_ = Weight({{p + "o_proj.weight", {c.d_model, c.n_heads * c.v_head_dim}}}, dtype, trainable);
}

void Mla::visit(const std::function<void(Weight&)>& see) {
  see(down_);
  if (config_.q_lora_rank > 0) {
    see(q_norm_);
    see(q_up_);
  }
  see(kv_norm_);
  see(kv_up_);
  see(out_);
}

KeyPage Mla::key_page(const DeepseekV3Config& c, MlaForm form, DType dtype) {
  return form == MlaForm::absorbed
             ? latent_key_page(dtype, c.kv_lora_rank, c.qk_rope_head_dim)
             : expanded_key_page(dtype, c.n_heads, c.qk_nope_head_dim, c.qk_rope_head_dim, c.v_head_dim);
}

namespace {

/// Rows [begin, end) of a weight times a factor: of the master, and rounded from it.
void scale_rows(Weight& w, int64_t begin, int64_t end, double factor) {
  const Tensor master = w.master.rows(begin, end);
  float* p = master.data<float>();
  axpby({.n = master.size(), .a = static_cast<float>(factor), .x = p, .out = p});
  if (w.value.dtype() == DType::bf16) round_bf16(master, w.value.rows(begin, end));
}

}  // namespace

int64_t Mla::clip_heads(std::span<const float> head_logits, double tau) {
  const DeepseekV3Config& c = config_;
  Weight& q = c.q_lora_rank > 0 ? q_up_ : down_;  // without q latent its rows come first in down_
  int64_t clipped = 0;
  for (int64_t h = 0; h < static_cast<int64_t>(head_logits.size()); ++h) {
    const double most = static_cast<double>(head_logits[static_cast<size_t>(h)]);
    if (!(most > tau)) continue;
    ++clipped;
    const double factor = tau / most, root = x1::sqrt(factor);
    const int64_t q_row = h * c.qk_head_dim(), k_row = h * (c.qk_nope_head_dim + c.v_head_dim);
    scale_rows(q, q_row, q_row + c.qk_nope_head_dim, root);
    scale_rows(q, q_row + c.qk_nope_head_dim, q_row + c.qk_head_dim(), factor);
    scale_rows(kv_up_, k_row, k_row + c.qk_nope_head_dim, root);
  }
  return clipped;
}

HeadProduct Mla::query_product() const {
  const DeepseekV3Config& c = config_;
  return {c.n_heads, c.qk_nope_head_dim + c.v_head_dim, 0, c.qk_nope_head_dim, c.qk_head_dim(), true};
}

HeadProduct Mla::value_product() const {
  const DeepseekV3Config& c = config_;
  const int64_t rows = c.qk_nope_head_dim + c.v_head_dim;
  return {c.n_heads, rows, c.qk_nope_head_dim, rows, c.kv_lora_rank, false};
}

Tensor Mla::forward(const Tensor& x, const ForwardContext& context, int64_t layer) {
  const DeepseekV3Config& c = config_;
  const ModuleScope scope("self_attn");
  const int64_t q_dim = c.n_heads * c.qk_head_dim();
  const int64_t q_width = c.q_lora_rank > 0 ? c.q_lora_rank : q_dim;
  const Tensor down = linear(x, down_, context.precision);
  const std::vector<Tensor> parts = split_columns(down, {q_width, c.kv_lora_rank, c.qk_rope_head_dim});
  Tensor q = parts[0];
  if (c.q_lora_rank > 0)
    q = linear(rmsnorm_for_product(q, q_norm_, kLatentNormEps, context.precision), q_up_, context.precision, 0, true);
  // Absorbed, the latent itself is key and value; expanded, it only feeds the product that makes them.
  const Tensor normed = context.form == MlaForm::absorbed
                            ? rmsnorm(parts[1], kv_norm_, kLatentNormEps)
                            : rmsnorm_for_product(parts[1], kv_norm_, kLatentNormEps, context.precision);
  const auto& positions = context.batch->positions;
  q = rope(q, positions, *context.rope, c.n_heads, c.qk_head_dim(), c.qk_nope_head_dim, c.qk_rope_head_dim,
           c.rope.interleaved, c.q_lora_rank > 0);  // in place: nothing else reads the up-projection
  const Tensor k_rope =
      rope(parts[2], positions, *context.rope, 1, c.qk_rope_head_dim, 0, c.qk_rope_head_dim, c.rope.interleaved);

  std::vector<float> head_max(context.stats ? static_cast<size_t>(c.n_heads) : 0);
  float* want = context.stats ? head_max.data() : nullptr;
  if (context.form == MlaForm::absorbed) q = head_linear(q, kv_up_, query_product(), context.precision);
  Tensor o = context.cache ? attend_cache(q, normed, k_rope, context, layer, want)
                           : attend_batch(q, normed, k_rope, context, want);
  if (context.form == MlaForm::absorbed) o = head_linear(o, kv_up_, value_product(), context.precision);
  if (want) {
    LayerStats& stats = (*context.stats)[static_cast<size_t>(layer)];
    stats.head_logits.resize(head_max.size(), 0.0f);
    for (size_t h = 0; h < head_max.size(); ++h) {
      stats.head_logits[h] = std::max(stats.head_logits[h], head_max[h]);
      stats.largest_logit = std::max(stats.largest_logit, head_max[h]);
    }
  }
  return linear(o, out_, context.precision);
}

Tensor Mla::attend_batch(const Tensor& q, const Tensor& c, const Tensor& k_rope, const ForwardContext& context,
                         float* head_max) {
  const auto& sequences = context.batch->sequences;
  if (context.form == MlaForm::absorbed)
    return attention_absorbed(q, c, k_rope, sequences, config_.n_heads, context.softmax_scale, context.precision,
                              head_max);
  const Tensor kv = linear(c, kv_up_, context.precision, 0, true);
  return attention_expanded(q, kv, k_rope, sequences, config_.n_heads, config_.qk_nope_head_dim, config_.v_head_dim,
                            context.softmax_scale, context.precision, head_max);
}

Tensor Mla::attend_cache(const Tensor& q, const Tensor& c, const Tensor& k_rope, const ForwardContext& context,
                         int64_t layer, float* head_max) {
  const DeepseekV3Config& cfg = config_;
  const bool absorbed = context.form == MlaForm::absorbed;
  const CacheView& cache = *context.cache;
  const LayerPages& pages = cache.layers[static_cast<size_t>(layer)];
  const Tensor kv = absorbed ? c : linear(c, kv_up_, context.precision);
  const RaggedBatch& batch = *context.batch;
  const size_t n_sequences = batch.sequences.size() - 1;

  std::vector<KeyRun> runs;
  std::vector<KeyBlock> blocks;
  std::vector<AttentionSequence> sequences(n_sequences);
  std::vector<size_t> first_block(n_sequences);
  for (size_t s = 0; s < n_sequences; ++s) {
    const int64_t begin = batch.sequences[s], count = batch.sequences[s + 1] - begin;
    const int64_t past = cache.n_past[s], end = past + count;
    first_block[s] = blocks.size();
    for (int64_t at = 0; at < end; at += kKeyBlock) {
      std::byte* page = pages.at(cache.pages[s][at / kKeyBlock]);
      blocks.push_back(pages.page.block(page));
      const int64_t first = std::max(at, past), last = std::min(at + kKeyBlock, end);
      if (first < last) runs.push_back({begin + first - past, last - first, first - at, page});
    }
    sequences[s] = {begin, count, past, nullptr};
  }
  for (size_t s = 0; s < n_sequences; ++s) sequences[s].blocks = blocks.data() + first_block[s];
  store_keys(pages.page, kv, k_rope, runs);

  AttentionArgs a;
  a.precision = context.precision;
  a.n_heads = cfg.n_heads;
  a.d_k = absorbed ? cfg.kv_lora_rank : cfg.qk_nope_head_dim;
  a.d_shared = cfg.qk_rope_head_dim;
  a.d_v = absorbed ? cfg.kv_lora_rank : cfg.v_head_dim;
  a.scale = context.softmax_scale;
  pages.page.describe(a);
  a.q = q.data<float>(), a.q_row = q.row_stride(), a.q_head = a.d_k + a.d_shared;
  a.sequences = sequences;
  Tensor out = Tensor::empty({q.dim(0), cfg.n_heads * a.d_v});
  a.out = out.data<float>(), a.out_row = out.row_stride(), a.out_head = a.d_v;
  Tensor row_max;
  if (head_max) {
    row_max = Tensor::empty({q.dim(0), cfg.n_heads});
    a.row_max = row_max.data<float>();
  }
  attention_paged(a);
  if (head_max)
    for (int64_t i = 0; i < row_max.size(); ++i) {
      float& most = head_max[i % cfg.n_heads];
      most = std::max(most, row_max.data<float>()[i]);
    }
  return out;
}

}  // namespace nuri
