// Memory of one device of a training job, by owner, in bytes.
#pragma once

#include "plan/layout.h"

namespace nuri::plan {

struct DeviceMemory {
  double weights = 0, gradients = 0, optimizer = 0;
  double activations = 0;  ///< of the micro-batches in flight on the fullest stage
  double logits = 0;
  double workspace = 0;  ///< buffers of exchange and libraries, context of the device
  double state() const { return weights + gradients + optimizer; }
  double total() const { return state() + activations + logits + workspace; }
};

DeviceMemory device_memory(const Job& job);

/// Values that one device holds of the model: outside experts, and in experts (pp, tp, ep, etp applied, sharding not).
struct HeldValues {
  double shared = 0, experts = 0;
};
HeldValues held_values(const Job& job);

}  // namespace nuri::plan
