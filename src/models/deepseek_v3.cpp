#include "models/deepseek_v3.h"

#include <algorithm>

#include "autograd/kept.h"
#include "autograd/tape.h"
#include "base/philox.h"
#include "base/threads.h"
#include "base/x1.h"
#include "ops/cross_entropy.h"
#include "ops/embedding.h"
#include "ops/linear.h"
#include "ops/rmsnorm.h"
#include "ops/round.h"
#include "ops/rows.h"

namespace nuri {
namespace {

YarnOptions yarn_options(const RopeConfig& rope) {
  YarnOptions y;
  if (!rope.yarn) return y;
  y.factor = rope.yarn->factor;
  y.original_max_positions = static_cast<double>(rope.yarn->original_max_position);
  y.beta_fast = rope.yarn->beta_fast;
  y.beta_slow = rope.yarn->beta_slow;
  y.mscale = rope.yarn->mscale;
  y.mscale_all_dim = rope.yarn->mscale_all_dim;
  y.attention_factor = rope.yarn->attention_factor.value_or(0);
  return y;
}

/// Room for this many positions at first; the table grows when a longer sequence comes.
constexpr int64_t kFirstPositions = 4096;

uint64_t name_hash(const std::string& name) {  // FNV-1a
  uint64_t h = 0xcbf29ce484222325ull;
  for (unsigned char c : name) h = (h ^ c) * 0x100000001b3ull;
  return h;
}

template <class Body>
auto in_module(const char* name, Body body) {
  const ModuleScope scope(name);
  return body();
}

}  // namespace

DeepseekV3::DeepseekV3(DeepseekV3Config config, Options options) : config_(std::move(config)), options_(options) {
  const DeepseekV3Config& c = config_;
  const bool with_mtp = options.with_mtp && c.n_mtp_layers > 0;
  const DType dtype = options.dtype;
  const bool train = options.trainable;
  const int shared_uses = with_mtp ? 2 : 1;  // chain 0: main, chain 1: MTP (profile x1, rule 9)
  embedding_ = Weight({{"model.embed_tokens.weight", {c.vocab_size, c.d_model}}}, dtype, train, shared_uses);
  embedding_.reads = Reads::lookup;
  for (int64_t i = 0; i < c.n_layers; ++i)
    blocks_.push_back(std::make_unique<Block>(config_, i, "model.layers." + std::to_string(i) + ".", dtype, train));
  norm_ = Weight({{"model.norm.weight", {c.d_model}}}, dtype, train);
  head_ = Weight({{"lm_head.weight", {c.vocab_size, c.d_model}}}, dtype, train, shared_uses);
  if (with_mtp) {
    const std::string p = "model.layers." + std::to_string(c.n_layers) + ".";
    mtp_ = std::make_unique<Mtp>();
    mtp_->embed_norm = Weight({{p + "enorm.weight", {c.d_model}}}, dtype, train);
    mtp_->hidden_norm = Weight({{p + "hnorm.weight", {c.d_model}}}, dtype, train);
    mtp_->project = Weight({{p + "eh_proj.weight", {c.d_model, 2 * c.d_model}}}, dtype, train);
    mtp_->block = std::make_unique<Block>(config_, c.n_layers, p, dtype, train);
    mtp_->head_norm = Weight({{p + "shared_head.norm.weight", {c.d_model}}}, dtype, train);
  }
  const YarnOptions yarn = yarn_options(c.rope);
  rope_ = RopeTable(std::min(c.max_seq_len, kFirstPositions), c.qk_rope_head_dim, c.rope.theta, yarn);
  softmax_scale_ = static_cast<float>(1.0 / x1::sqrt(static_cast<double>(c.qk_head_dim())) * yarn_softmax_scale(yarn));
}

void DeepseekV3::visit(const std::function<void(Weight&)>& see) {
  see(embedding_);
  for (auto& block : blocks_) block->visit(see);
  see(norm_);
  see(head_);
  if (!mtp_) return;
  see(mtp_->embed_norm);
  see(mtp_->hidden_norm);
  see(mtp_->project);
  mtp_->block->visit(see);
  see(mtp_->head_norm);
}

std::vector<Parameter*> DeepseekV3::parameters() {
  std::vector<Parameter*> all;
  visit([&](Weight& w) {
    for (Parameter& p : w.parameters) all.push_back(&p);
  });
  std::sort(all.begin(), all.end(), [](const Parameter* a, const Parameter* b) { return a->name < b->name; });
  return all;
}

Moe* DeepseekV3::moe_of(int64_t block) {
  return block < config_.n_layers ? blocks_[static_cast<size_t>(block)]->moe() : mtp_->block->moe();
}

int64_t DeepseekV3::clip_heads(std::span<const LayerStats> layers, double tau) {
  int64_t clipped = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    Block& block = i < blocks_.size() ? *blocks_[i] : *mtp_->block;
    clipped += block.attention().clip_heads(layers[i].head_logits, tau);
  }
  return clipped;
}

std::vector<DeepseekV3::RouterBias> DeepseekV3::router_biases() {
  std::vector<RouterBias> out;
  for (int64_t i = 0; i < n_blocks(); ++i)
    if (Moe* moe = moe_of(i)) out.push_back({moe->bias_name(), moe->bias(), i});
  return out;
}

ForwardContext DeepseekV3::context(const RaggedBatch& batch) {
  int32_t last = 0;
  for (int32_t p : batch.positions) last = std::max(last, p);
  rope_.ensure(last);
  ForwardContext c;
  c.batch = &batch;
  c.precision = precision();
  c.form = options_.form;
  c.rope = &rope_;
  c.softmax_scale = softmax_scale_;
  return c;
}

namespace {

/// A layer, whose forward runs twice where the tape recomputes blocks; what it saw is counted the first time.
Tensor run_block(Block& block, const Tensor& x, const ForwardContext& context) {
  Tape* tape = Tape::current();
  if (!tape || tape->recompute() != Recompute::blocks) return block.forward(x, context);
  const auto batch = std::make_shared<const RaggedBatch>(*context.batch);
  return recomputed_block(*tape, "block", [&block, x, context, batch](bool again) {
    ForwardContext c = context;
    c.batch = batch.get();  // the caller's is gone by the backward
    if (again) c.stats = nullptr;
    return block.forward(x, c);
  });
}

}  // namespace

Tensor DeepseekV3::forward_blocks(const RaggedBatch& batch, const ForwardContext& context, ForwardTrace* trace) {
  Tensor h = in_module("model.embed_tokens", [&] { return embedding(batch.tokens, embedding_, 0); });
  if (trace) trace->states.push_back(h);
  for (auto& block : blocks_) {
    h = run_block(*block, h, context);
    if (trace) trace->states.push_back(h);
  }
  return in_module("model.norm", [&] { return rmsnorm(h, norm_, static_cast<float>(config_.rms_norm_eps)); });
}

Tensor DeepseekV3::hidden(const RaggedBatch& batch, const CacheView* cache, std::vector<LayerStats>* stats,
                          ForwardTrace* trace) {
  ForwardContext c = context(batch);
  c.cache = cache;
  c.stats = stats;
  return forward_blocks(batch, c, trace);
}

Tensor DeepseekV3::logits_of(const Tensor& hidden) {
  return in_module("lm_head", [&] { return logits(hidden, head_, precision()); });
}

Tensor DeepseekV3::mtp_hidden(const Tensor& hidden, const RaggedBatch& shifted, const std::vector<int32_t>& index,
                              ForwardContext c, ForwardTrace* trace) {
  c.batch = &shifted;
  const ModuleScope scope("mtp");
  const float eps = static_cast<float>(config_.rms_norm_eps);
  const Tensor e = rmsnorm(embedding(shifted.tokens, embedding_, 1), mtp_->embed_norm, eps);
  const Tensor h = rmsnorm(take_rows(hidden, index), mtp_->hidden_norm, eps);
  Tensor x = linear(concat_columns(e, h), mtp_->project, c.precision);
  x = run_block(*mtp_->block, x, c);
  if (trace) trace->states.push_back(x);
  return rmsnorm(x, mtp_->head_norm, eps);
}

std::vector<float> DeepseekV3::token_nll(const TrainBatch& batch, float inverse_temperature) {
  const std::vector<float> weights(batch.counts.begin(), batch.counts.end());
  const Tensor h = hidden(batch.batch);
  const CrossEntropyOptions options{inverse_temperature, {}};
  return in_module("lm_head",
                   [&] { return cross_entropy(h, head_, 0, batch.targets, weights, precision(), options).nll; });
}

Tensor DeepseekV3::mtp_logits(const TrainBatch& batch, ForwardTrace* trace) {
  NURI_ASSERT(mtp_);
  std::vector<int32_t> index;
  const RaggedBatch shifted = shift_for_mtp(batch.batch, index);
  return logits_of(mtp_hidden(hidden(batch.batch), shifted, index, context(batch.batch), trace));
}

void DeepseekV3::losses(const TrainBatch& batch, const LossOptions& options, LossSums& sums,
                        std::vector<LayerStats>* stats, ForwardTrace* trace) {
  ForwardContext c = context(batch.batch);
  c.stats = stats;
  c.balance_alpha = options.balance_alpha;
  c.rows_of_step = options.rows_of_step;
  const double unit = 1.0 / static_cast<double>(options.targets_of_step);
  auto add_in_order = [](double& sum, const std::vector<float>& nll, const std::vector<uint8_t>& counts,
                         const std::vector<int32_t>* index) {
    for (size_t i = 0; i < nll.size(); ++i)
      if (counts[index ? static_cast<size_t>((*index)[i]) : i]) sum += static_cast<double>(nll[i]);
  };

  const Tensor h = forward_blocks(batch.batch, c, trace);
  std::vector<float> weights(batch.targets.size());
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = batch.counts[i] ? static_cast<float>(unit) : 0.0f;
  const CrossEntropyOptions of_main{options.inverse_temperature, options.choose};
  const CrossEntropyResult main =
      in_module("lm_head", [&] { return cross_entropy(h, head_, 0, batch.targets, weights, c.precision, of_main); });
  add_in_order(sums.main, main.nll, batch.counts, nullptr);
  if (sums.token_nll) *sums.token_nll = main.nll;
  if (!mtp_ || options.choose) return;

  std::vector<int32_t> index;
  const RaggedBatch shifted = shift_for_mtp(batch.batch, index);
  if (shifted.n_tokens() == 0) return;
  const Tensor m = mtp_hidden(h, shifted, index, c, trace);
  std::vector<int32_t> targets(index.size());
  weights.assign(index.size(), 0.0f);
  for (size_t i = 0; i < index.size(); ++i) {
    const size_t at = static_cast<size_t>(index[i]);
    targets[i] = batch.mtp_targets[at];
    weights[i] = batch.mtp_counts[at] ? static_cast<float>(options.mtp_weight * unit) : 0.0f;
  }
  const CrossEntropyResult second =
      in_module("mtp.lm_head", [&] { return cross_entropy(m, head_, 1, targets, weights, c.precision); });
  add_in_order(sums.mtp, second.nll, batch.mtp_counts, &index);
}

void DeepseekV3::initialise(uint64_t seed) {
  visit([&](Weight& w) {
    for (Parameter& p : w.parameters) {
      const Tensor& target = p.master.defined() ? p.master : p.value;
      NURI_ASSERT(target.dtype() == DType::f32, "initialise needs FP32 masters");
      float* data = target.data<float>();
      if (!p.matrix) {
        std::fill(data, data + target.size(), 1.0f);
        continue;
      }
      const Philox random(seed, Purpose::init, name_hash(p.name));
      const float std = static_cast<float>(config_.initializer_range);
      parallel_ranges(target.size(), 16384, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) data[i] = random.normal(static_cast<uint64_t>(i)) * std;
      });
    }
  });
  for (RouterBias& bias : router_biases()) bias.value.fill_zero();
  refresh();
}

void DeepseekV3::refresh() {
  visit([](Weight& w) {
    if (w.master.defined() && w.value.dtype() == DType::bf16)
      run(kernels().round, reference::round, RoundArgs{w.master.size(), w.master.data<float>(), w.value.data<Bf16>()});
    w.invalidate();
  });
}

}  // namespace nuri
