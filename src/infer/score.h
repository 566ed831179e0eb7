// Log-probabilities of given tokens.
#pragma once

#include <cstdint>
#include <vector>

#include "models/deepseek_v3.h"

namespace nuri {

/// log p(ids[i] | ids[0..i-1]) for i = 1.. (nats, temperature 1): the function of the trainer's loss and of the
/// sampler. The sequence is read in chunks through a cache; the chunk does not change a bit. Errors: fewer than two
/// ids, ids outside the vocabulary, more than the model's context.
std::vector<float> score_tokens(DeepseekV3& model, const std::vector<int32_t>& ids, int64_t chunk = 512);

}  // namespace nuri
