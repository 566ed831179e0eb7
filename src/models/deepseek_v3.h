// A DeepSeek-V3 model: weights under their released names, the forward of a ragged batch, and the training losses.
//
//   h_0 = embedding(tokens);  h_i = block_i(h_{i-1});  hidden = norm(h_L);  logits = hidden Whead^T
//   MTP at position i of a row (V3 paper 2.2): eh_proj [enorm(embedding(token i+1)) ; hnorm(hidden_i)] through one more
//   block, shared_head.norm and the main head, predicts token i+2
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "arch/deepseek_v3.h"
#include "models/train_batch.h"
#include "nn/block.h"
#include "ops/cross_entropy.h"

namespace nuri {

/// Sums over target tokens, in double in (row, position) order, continued over the micro-batches of a step.
struct LossSums {
  double main = 0;                          ///< negative log-likelihood of next tokens
  double mtp = 0;                           ///< of tokens after next
  std::vector<float>* token_nll = nullptr;  ///< per token of the batch, next token; null: not wanted
};

struct LossOptions {
  double mtp_weight = 0.3;
  double balance_alpha = 1e-4;
  int64_t targets_of_step = 1;  ///< main targets of the whole step: both cross entropies are divided by it
  int64_t rows_of_step = 1;
  /// Of a policy gradient: weights chosen by the log-probabilities, at this inverse temperature, of the targets that
  /// count. MTP then learns nothing.
  ChooseWeights choose;
  float inverse_temperature = 1;
};

/// What a parity check wants to see on the way: the residual stream after the embedding, each block and the MTP block.
struct ForwardTrace {
  std::vector<Tensor> states;
};

class DeepseekV3 {
 public:
  struct Options {
    DType dtype = DType::f32;  ///< what the forward reads; bf16 keeps FP32 masters when trainable
    bool trainable = false;
    bool with_mtp = true;  ///< false: MTP modules are not built, whatever the config says
    MlaForm form = MlaForm::expanded;
  };
  DeepseekV3(DeepseekV3Config config, Options options);

  const DeepseekV3Config& config() const { return config_; }
  const Options& options() const { return options_; }
  Precision precision() const { return options_.dtype == DType::f32 ? Precision::f32 : Precision::bf16; }
  bool has_mtp() const { return mtp_ != nullptr; }
  int64_t n_blocks() const { return config_.n_layers + (mtp_ ? 1 : 0); }

  /// Final-normed hidden states [n_tokens, d_model]. cache: null in training.
  Tensor hidden(const RaggedBatch& batch, const CacheView* cache = nullptr, std::vector<LayerStats>* stats = nullptr,
                ForwardTrace* trace = nullptr);
  /// Next-token logits [rows, vocab] of hidden states.
  Tensor logits_of(const Tensor& hidden);

  /// Forward and, with a tape current, everything needed for backward, of one micro-batch. Adds to sums and stats.
  void losses(const TrainBatch& batch, const LossOptions& options, LossSums& sums, std::vector<LayerStats>* stats,
              ForwardTrace* trace = nullptr);
  /// Negative log-likelihood in nats of each target that counts (others 0), without MTP and without a tape.
  std::vector<float> token_nll(const TrainBatch& batch, float inverse_temperature = 1);
  /// MTP logits at the positions that have a token after next inside their row, row after row (for parity checks).
  Tensor mtp_logits(const TrainBatch& batch, ForwardTrace* trace = nullptr);

  /// All weights, in file order. Router biases apart.
  void visit(const std::function<void(Weight&)>& see);
  std::vector<Parameter*> parameters();  ///< sorted by name, bytewise
  struct RouterBias {
    std::string name;
    Tensor value;   ///< f32 [n_routed_experts]
    int64_t layer;  ///< index into LayerStats
  };
  std::vector<RouterBias> router_biases();
  Moe* moe_of(int64_t block);
  /// QK-clip (Mla::clip_heads) of every layer by the logits of a step, MTP's included. Returns the number of heads
  /// clipped. Packed forms are stale afterwards.
  int64_t clip_heads(std::span<const LayerStats> layers, double tau);
  Weight& head() { return head_; }

  /// Normal values of standard deviation initializer_range for matrices and embeddings, ones for norms, zeros for
  /// router biases; each value a function of (seed, parameter name, index).
  void initialise(uint64_t seed);
  /// After masters changed: writes the BF16 copies where there are any and drops packed forms.
  void refresh();

 private:
  struct Mtp {
    Weight embed_norm, hidden_norm, project, head_norm;
    std::unique_ptr<Block> block;
  };
  ForwardContext context(const RaggedBatch& batch);
  Tensor mtp_hidden(const Tensor& hidden, const RaggedBatch& shifted, const std::vector<int32_t>& index,
                    ForwardContext context, ForwardTrace* trace);
  Tensor forward_blocks(const RaggedBatch& batch, const ForwardContext& context, ForwardTrace* trace);

  DeepseekV3Config config_;
  Options options_;
  RopeTable rope_;
  float softmax_scale_;
  Weight embedding_, norm_, head_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::unique_ptr<Mtp> mtp_;
};

}  // namespace nuri
