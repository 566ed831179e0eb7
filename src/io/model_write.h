// Writing the weights of a model directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "io/safetensors.h"

namespace nuri {

inline constexpr uint64_t kDefaultShardBytes = 5'000'000'000;

/// Writes model.safetensors, or, where the tensors take more than max_shard_bytes, shards in the given order
/// (model-00001-of-0000N.safetensors) and the index, which comes last. Each file appears whole or not at all; a tensor
/// is never cut. Errors: the directory already holds weights, disk full, no permission.
void write_model_weights(const std::filesystem::path& directory, std::span<const NamedTensor> tensors,
                         const std::map<std::string, std::string>& metadata = {{"format", "pt"}},
                         uint64_t max_shard_bytes = kDefaultShardBytes);

}  // namespace nuri
