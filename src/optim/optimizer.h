// The optimizer's step over all parameters: gradient chains joined, clipped by the global norm, AdamW, and the bias
// update of loss-free balancing (reference: DeepSeek-V3 paper, sections 2.1.2 and 4.2).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "autograd/weight.h"

namespace nuri {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  double weight_decay = 0.1;   ///< on matrices only
  double max_grad_norm = 1.0;  ///< 0: no clipping
};

/// First and second moments of each parameter, in name order.
class AdamW {
 public:
  /// parameters sorted by name; they outlive this object. Errors: eps below 1e-12 (subnormals are zero in profile x1).
  AdamW(std::vector<Parameter*> parameters, const AdamWOptions& options);

  /// Adds the chains of parameters used several times, in order, into the first one; returns the global norm.
  double join_and_norm();
  /// One update at this rate; `step` counts from 1. norm: as returned by join_and_norm.
  void update(double learning_rate, int64_t step, double norm);

  struct State {
    std::string name;
    Tensor mean, square;
  };
  std::vector<State>& states() { return states_; }

 private:
  std::vector<Parameter*> parameters_;
  std::vector<State> states_;
  AdamWOptions options_;
};

/// bias += speed * sign(mean count - count), for the counts of a whole step.
void update_router_bias(std::span<float> bias, std::span<const int64_t> counts, double speed);

}  // namespace nuri
