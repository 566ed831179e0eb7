// What devices send each other in training, in seconds, and how much of it hides behind computing.
#pragma once

#include "plan/layer_time.h"

namespace nuri::plan {

/// Of one layer and micro-batch, all of it, hidden or not.
struct Exchange {
  double tensor_forward = 0, tensor_all = 0, experts_all = 0;
};

Exchange exchange_of(const Job& job, const LayerClock& clock, bool moe);

/// Seconds that exchange of `exchange` seconds adds to `computing` beside which it runs.
double beyond(double computing, double exchange, double exponent);

/// Seconds of a step that gradients and weights take beyond computing, `computing` being that of one micro-batch.
double data_exchange(const Job& job, const LayerClock& clock, const Constants& constants, double computing);

/// Devices that share the optimizer state of values outside and inside experts.
struct Sharers {
  double shared = 1, experts = 1;
};
Sharers sharers_of(const Job& job);

}  // namespace nuri::plan
