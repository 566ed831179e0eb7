// A model whose weights begin as those of another one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "models/deepseek_v3.h"

namespace nuri {

/// Reads the weights of `directory` into a model that differs in nothing but the vocabulary; what has no counterpart
/// (rows of new tokens, MTP that the directory lacks) keeps its value. base_id[id]: the row of embedding and head that
/// id begins as, -1 for none (text/same_tokens.h); empty: the same id, as far as both go. Returns what a user should
/// know, a line each. Errors: those of load_model; a tensor of another shape.
std::vector<std::string> init_weights(DeepseekV3& model, const std::filesystem::path& directory,
                                      const std::vector<int32_t>& base_id = {});

}  // namespace nuri
