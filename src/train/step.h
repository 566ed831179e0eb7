// One optimizer step: micro-batches forward and backward, shards added by a fixed tree, clipping, optimizer, router
// bias.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "autograd/tape.h"
#include "models/deepseek_v3.h"
#include "optim/layer_norms.h"
#include "optim/optimizer.h"

namespace nuri {

struct StepOptions {
  int64_t length = 256;     ///< tokens a row predicts
  int64_t micro_rows = 8;   ///< rows of one forward; invisible in the bits
  int64_t grad_shards = 1;  ///< power of two; the rows of a step are cut into this many equal runs (profile x1, rule 9)
  bool document_mask = true;
  Recompute recompute = Recompute::none;  ///< invisible in the bits
  double mtp_weight = 0.3, balance_alpha = 1e-4, bias_update_speed = 1e-3;
  double qk_clip = 0;  ///< largest attention logit that a head may have had; 0: heads are not clipped
};

struct StepResult {
  double main = 0, mtp = 0, balance = 0, total = 0;  ///< mean losses; balance before alpha
  double grad_norm = 0;
  int64_t clipped_heads = 0;                            ///< by QK-clip, after this step
  std::vector<double> layer_grad_norms, layer_updates;  ///< by group of LayerNorms: embedding, blocks, head
  int64_t tokens = 0, targets = 0;
  std::vector<int64_t> sequence_lengths;  ///< what attention saw, for the FLOP count
  std::vector<LayerStats> layers;
};

/// The optimizer of a model: its parameters, and router biases in the average where one is kept.
Optimizer make_optimizer(DeepseekV3& model, const OptimizerOptions& options);

/// The model is the average of its weights while alive; nothing where none is kept.
class AverageScope {
 public:
  AverageScope(DeepseekV3& model, Optimizer& optimizer);
  ~AverageScope();
  AverageScope(const AverageScope&) = delete;
  AverageScope& operator=(const AverageScope&) = delete;

 private:
  DeepseekV3& model_;
  WeightEma* ema_;
};

/// "none", "selective" or "blocks"; else an error.
Recompute parse_recompute(std::string_view name);
/// Checks what the options demand of the rows of a step. Errors name the keys of the recipe.
void check_step_options(const StepOptions& options, int64_t rows);

class TrainStep {
 public:
  TrainStep(DeepseekV3& model, Optimizer& optimizer, const StepOptions& options);

  /// tokens, documents, learned (models/train_batch.h) [rows, length + 1]. Leaves the gradients (chains not yet joined)
  /// in the parameters.
  StepResult gradients(std::span<const int32_t> tokens, std::span<const int32_t> documents, int64_t rows,
                       std::span<const uint8_t> learned = {});
  /// Forward and backward of one micro-batch of an update whose chains have been restarted: adds to gradients, sums and
  /// result. between: after the forward.
  void micro_batch(const TrainBatch& batch, const LossOptions& loss, LossSums& sums, StepResult& result,
                   const std::function<void()>& between = {});
  /// Joins chains, clips, updates weights and router biases; fills in result.grad_norm and the norms of layers. step
  /// counts from 1. Where the norm is not finite nothing is updated.
  void apply(StepResult& result, double learning_rate, int64_t step);

 private:
  struct Rows {
    std::span<const int32_t> tokens, documents;
    std::span<const uint8_t> learned;  ///< empty: all
    /// n rows from `first` on, each `width` wide.
    Rows part(int64_t first, int64_t n, int64_t width) const;
  };
  void run_shard(const Rows& shard, int64_t rows, const LossOptions& loss, LossSums& sums, StepResult& result);
  void push_shard(int64_t shard);

  DeepseekV3& model_;
  Optimizer& optimizer_;
  StepOptions options_;
  LayerNorms layer_norms_;
  std::vector<std::vector<Tensor>> tree_;  ///< per level of the tree: the sums of 2^level shards, all chains
};

}  // namespace nuri
