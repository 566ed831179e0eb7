// Where the first NaN or Inf of a step comes from, for the message that stops a run.
#pragma once

#include <functional>
#include <string>

#include "models/deepseek_v3.h"

namespace nuri {

/// Runs `body` (a forward, or forward and backward) with every op watched and names the first whose output is not
/// finite: "linear of model.layers.3.self_attn", "gradient of swiglu of model.layers.0.mlp". Where all outputs are
/// finite, the first parameter whose gradient is not: "the gradient of lm_head.weight". Empty where that is finite too.
std::string first_not_finite(DeepseekV3& model, const std::function<void()>& body);

}  // namespace nuri
