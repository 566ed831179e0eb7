#include "train/step.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "autograd/tape.h"
#include "base/profile.h"
#include "ops/residual.h"

namespace nuri {

Optimizer make_optimizer(DeepseekV3& model, const OptimizerOptions& options) {
  std::vector<AveragedTensor> biases;
  for (const DeepseekV3::RouterBias& bias : model.router_biases()) biases.push_back({bias.name, bias.value});
  return Optimizer(model.parameters(), options, std::move(biases));
}

AverageScope::AverageScope(DeepseekV3& model, Optimizer& optimizer) : model_(model), ema_(optimizer.ema()) {
  if (!ema_) return;
  ema_->swap();
  model_.refresh();
}

AverageScope::~AverageScope() {
  if (!ema_) return;
  ema_->swap();
  model_.refresh();
}

Recompute parse_recompute(std::string_view name) {
  if (name == "none") return Recompute::none;
  if (name == "selective") return Recompute::selective;
  if (name == "blocks") return Recompute::blocks;
  fail("recompute = '{}'; allowed are auto (by the memory plan), none, selective and blocks", name);
}

void check_step_options(const StepOptions& o, int64_t rows) {
  NURI_CHECK(o.length >= 1, "length = {}: a row needs at least one token to predict", o.length);
  NURI_CHECK(rows >= 1, "batch_rows = {}: a step needs at least one row", rows);
  constexpr int64_t kMostTokens = int64_t(1) << 27;
  NURI_CHECK(rows <= kMostTokens / (o.length + 1),
             "batch_rows = {} of length = {} tokens: a step holds at most {} tokens; lower one of them", rows, o.length,
             kMostTokens);
  NURI_CHECK(o.grad_shards >= 1 && std::has_single_bit(static_cast<uint64_t>(o.grad_shards)),
             "grad_shards = {} is not a power of two; use 1, 2, 4, ...", o.grad_shards);
  NURI_CHECK(rows % o.grad_shards == 0, "batch_rows = {} does not divide into grad_shards = {} equal runs", rows,
             o.grad_shards);
  NURI_CHECK(o.micro_rows >= 1, "micro_rows = {}: a micro-batch needs at least one row", o.micro_rows);
}

TrainStep::TrainStep(DeepseekV3& model, Optimizer& optimizer, const StepOptions& options)
    : model_(model), optimizer_(optimizer), options_(options), layer_norms_(model.parameters(), model.n_blocks()) {}

TrainStep::Rows TrainStep::Rows::part(int64_t first, int64_t n, int64_t width) const {
  const size_t begin = static_cast<size_t>(first * width), count = static_cast<size_t>(n * width);
  return {tokens.subspan(begin, count), documents.subspan(begin, count),
          learned.empty() ? learned : learned.subspan(begin, count)};
}

StepResult TrainStep::gradients(std::span<const int32_t> tokens, std::span<const int32_t> documents, int64_t rows,
                                std::span<const uint8_t> learned) {
  check_step_options(options_, rows);
  const int64_t width = options_.length + 1;
  StepResult result;
  result.layers.resize(static_cast<size_t>(model_.n_blocks()));
  result.tokens = rows * options_.length;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < options_.length; ++i) {
      const size_t at = static_cast<size_t>(r * width + i);
      const bool same = !options_.document_mask || documents[at] == documents[at + 1];
      result.targets += same && (learned.empty() || learned[at + 1]);
    }
  // Every loss weight comes from the whole step, counted before the first backward.
  const LossOptions loss{options_.mtp_weight, options_.balance_alpha, std::max<int64_t>(1, result.targets), rows};
  LossSums sums;
  const Rows all{tokens, documents, learned};
  const int64_t per_shard = rows / options_.grad_shards;
  for (int64_t shard = 0; shard < options_.grad_shards; ++shard) {
    model_.visit([](Weight& w) { w.restart_chains(); });
    run_shard(all.part(shard * per_shard, per_shard, width), per_shard, loss, sums, result);
    model_.visit([](Weight& w) { w.finish_chains(); });
    if (options_.grad_shards > 1) push_shard(shard);
  }
  const double n = static_cast<double>(loss.targets_of_step);
  result.main = sums.main / n;
  result.mtp = sums.mtp / n;
  for (const LayerStats& layer : result.layers) result.balance += layer.balance;
  result.total = result.main + options_.mtp_weight * result.mtp + options_.balance_alpha * result.balance;
  return result;
}

void TrainStep::run_shard(const Rows& shard, int64_t rows, const LossOptions& loss, LossSums& sums,
                          StepResult& result) {
  const int64_t width = options_.length + 1;
  for (int64_t r = 0; r < rows; r += options_.micro_rows) {
    const int64_t n = std::min(options_.micro_rows, rows - r);
    const Rows part = shard.part(r, n, width);
    const TrainBatch batch =
        make_train_batch(part.tokens, part.documents, n, options_.length, options_.document_mask, part.learned);
    micro_batch(batch, loss, sums, result);
  }
}

void TrainStep::micro_batch(const TrainBatch& batch, const LossOptions& loss, LossSums& sums, StepResult& result,
                            const std::function<void()>& between) {
  for (size_t s = 0; s + 1 < batch.batch.sequences.size(); ++s)
    result.sequence_lengths.push_back(batch.batch.sequences[s + 1] - batch.batch.sequences[s]);
  Tape tape(options_.recompute);
  {
    const TapeScope scope(tape);
    model_.losses(batch, loss, sums, &result.layers);
  }
  if (between) between();
  tape.backward();
}

void TrainStep::push_shard(int64_t shard) {
  std::vector<Tensor> chains;
  for (Parameter* p : model_.parameters())
    for (const Tensor& grad : p->grads) chains.push_back(grad);
  size_t level = 0;
  for (; (shard >> level) & 1; ++level)  // earlier half + this one, as a binary counter carries
    for (size_t i = 0; i < chains.size(); ++i)
      run(kernels().add, reference::add,
          AddArgs{chains[i].size(), tree_[level][i].data<float>(), chains[i].data<float>(), chains[i].data<float>()});
  if (shard + 1 == options_.grad_shards) return;  // the sum of all is where the optimizer looks
  if (tree_.size() <= level) tree_.resize(level + 1);
  if (tree_[level].empty())
    for (const Tensor& chain : chains)
      tree_[level].push_back(Tensor::empty(chain.shape(), DType::f32, Owner::gradients));
  for (size_t i = 0; i < chains.size() && !meta_active(); ++i)
    std::memcpy(tree_[level][i].raw(), chains[i].raw(), chains[i].bytes());
}

void TrainStep::apply(StepResult& result, double learning_rate, int64_t step) {
  const profile::Scope scope("optimizer");
  result.grad_norm = optimizer_.join_and_norm();
  result.layer_grad_norms = layer_norms_.gradient_norms(optimizer_.square_sums());
  if (!std::isfinite(result.grad_norm)) return;
  layer_norms_.before();
  optimizer_.update(learning_rate, step, result.grad_norm);
  if (options_.qk_clip > 0) result.clipped_heads = model_.clip_heads(result.layers, options_.qk_clip);
  result.layer_updates = layer_norms_.updates();
  for (DeepseekV3::RouterBias& bias : model_.router_biases()) {
    const std::vector<int64_t>& counts = result.layers[static_cast<size_t>(bias.layer)].expert_counts;
    if (!meta_active() && !counts.empty())  // a policy gradient does not run MTP
      update_router_bias(bias.value.span<float>(), counts, options_.bias_update_speed);
  }
  if (WeightEma* ema = optimizer_.ema()) ema->update(step);
  model_.visit([](Weight& w) { w.invalidate(); });
}

}  // namespace nuri
