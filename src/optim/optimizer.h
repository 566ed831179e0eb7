// The optimizer's step over all parameters: gradient chains joined, clipped by the global norm, AdamW or Muon, and the
// bias update of loss-free balancing (reference: DeepSeek-V3 paper, sections 2.1.2 and 4.2).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "autograd/weight.h"
#include "optim/ema.h"
#include "optim/muon.h"

namespace nuri {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  double weight_decay = 0.1;   ///< on matrices only
  double max_grad_norm = 1.0;  ///< 0: no clipping
};

/// min(1, max / (norm + 1e-6)), rounded once; 1 where max_grad_norm is 0.
float clip_factor(double max_grad_norm, double norm);

/// First and second moments of each parameter, in name order.
class AdamW {
 public:
  /// parameters sorted by name; they outlive this object. Those that `elsewhere` says are joined, counted in the norm
  /// and cleared as all are, but have no state here: another optimizer updates them. Errors: eps below 1e-12
  /// (subnormals are zero in profile x1).
  AdamW(std::vector<Parameter*> parameters, const AdamWOptions& options, bool (*elsewhere)(const Parameter&) = nullptr);

  /// Adds the chains of parameters used several times, in order, into the first one; returns the global norm.
  double join_and_norm();
  /// Of each gradient, before clipping, in the order of the parameters: what the last join_and_norm added up.
  const std::vector<double>& square_sums() const { return square_sums_; }
  /// One update at this rate; `step` counts from 1. norm: as returned by join_and_norm.
  void update(double learning_rate, int64_t step, double norm);

  struct State {
    std::string name;
    Tensor mean, square;
  };
  std::vector<State>& states() { return states_; }

 private:
  std::vector<Parameter*> parameters_, updated_;  ///< all; those with a state
  std::vector<State> states_;
  std::vector<double> square_sums_;
  AdamWOptions options_;
};

enum class OptimizerKind : uint8_t {
  adamw,
  muon,  ///< Muon for what muon_takes() says, AdamW for the rest, with one learning rate and decay
};
OptimizerKind parse_optimizer(std::string_view name);  ///< "adamw" or "muon"; else an error

struct OptimizerOptions {
  AdamWOptions adamw;
  OptimizerKind kind = OptimizerKind::adamw;
  double muon_momentum = 0.95;
  double ema_decay = 0;  ///< of an average of the weights; 0: none
};

/// What updates the parameters of a run.
class Optimizer {
 public:
  /// parameters sorted by name; they outlive this object. averaged_too: what the average holds besides the parameters
  /// (router biases). Errors: AdamW's.
  explicit Optimizer(std::vector<Parameter*> parameters, const OptimizerOptions& options = {},
                     std::vector<AveragedTensor> averaged_too = {});

  double join_and_norm() { return adamw_.join_and_norm(); }                        ///< see AdamW
  const std::vector<double>& square_sums() const { return adamw_.square_sums(); }  ///< see AdamW
  /// One update at this rate; `step` counts from 1. norm: as returned by join_and_norm.
  void update(double learning_rate, int64_t step, double norm);

  struct State {
    std::string name;  ///< "mean.", "square.", "momentum." or "ema." and the parameter's
    Tensor tensor;
  };
  /// All that a checkpoint must hold.
  std::vector<State> states();
  /// The average of the weights, null where there is none. The caller updates it, when all else of a step is done.
  WeightEma* ema() { return ema_ ? &*ema_ : nullptr; }

 private:
  AdamW adamw_;
  std::optional<Muon> muon_;
  std::optional<WeightEma> ema_;
  double max_grad_norm_;
};

/// bias += speed * sign(mean count - count), for the counts of a whole step.
void update_router_bias(std::span<float> bias, std::span<const int64_t> counts, double speed);

}  // namespace nuri
