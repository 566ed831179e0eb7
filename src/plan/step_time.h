// Time of one training step, as a sum of parts: products on the roofline of their shapes, attention, what only moves
// memory, gaps between kernels, exchange between devices beyond what hides behind computing, pipeline bubbles, the
// optimizer. Formulas: docs/plan.md.
#pragma once

#include "plan/constants.h"
#include "plan/layout.h"

namespace nuri::plan {

/// Seconds of a step on one device, by part.
struct StepCost {
  double products = 0;
  double attention = 0;
  double elementwise = 0;
  double gaps = 0;
  double recompute = 0;  ///< of the forward, once more
  double tensor = 0;     ///< exchange of tensor and context parallelism that does not hide
  double experts = 0;    ///< all-to-all
  double data = 0;       ///< gradients and weights
  double bubble = 0;
  double optimizer = 0;
  double offload = 0;  ///< state that does not fit, over the host link
  double straggle = 0;
  double micro_forward = 0, micro_backward = 0;  ///< one micro-batch on one pipeline stage
  double total() const {
    return products + attention + elementwise + gaps + recompute + tensor + experts + data + bubble + optimizer +
           offload + straggle;
  }
};

StepCost step_cost(const Job& job, const Constants& constants);
double tokens_per_s_per_device(const Job& job, const StepCost& cost);

/// Model FLOPs of one token in training (arch/counts.h), causal.
double flops_per_token(const Job& job);

}  // namespace nuri::plan
