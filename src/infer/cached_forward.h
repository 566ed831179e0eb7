// One forward of several sequences over a cache.
#pragma once

#include <cstdint>
#include <vector>

#include "infer/kv_pool.h"
#include "models/deepseek_v3.h"

namespace nuri {

/// Tokens that follow those which a sequence holds.
struct CacheStep {
  KvSequence* sequence;
  std::vector<int32_t> tokens;
};

/// Appends the tokens to their sequences and returns the final-normed hidden states of all of them, step after step.
/// stats: per layer; null: not wanted. Error: the pool is empty.
Tensor forward_cached(DeepseekV3& model, KvPool& pool, std::vector<CacheStep>& steps,
                      std::vector<LayerStats>* stats = nullptr);

}  // namespace nuri
