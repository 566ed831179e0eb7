// The weights of a model as a whole: what a run begins with, and their hashes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "models/deepseek_v3.h"
#include "text/tokenizer.h"

namespace nuri {

/// Weights drawn by the seed or, where `base` is given, those of that model directory: rows of ids that both tokenizers
/// know, the others drawn. Returns notes for a person. Errors: those of init_weights.
std::vector<std::string> begin_weights(DeepseekV3& model, int64_t seed, const std::filesystem::path& base,
                                       const Tokenizer& tokenizer);

/// SHA-256 over names and bytes of all tensors a model directory holds, in name order.
std::string weights_sha256(DeepseekV3& model);
/// 64-bit FNV-1a over the same: equal on every machine.
std::string weights_hash(DeepseekV3& model);

}  // namespace nuri
