// Bits per byte of a model on the held-out documents of a data directory, by source and by language.
#pragma once

#include <filesystem>
#include <string>

#include "models/deepseek_v3.h"

namespace nuri {

struct ScoreDataOptions {
  std::filesystem::path model, data;  ///< directories
  int64_t length = 0;                 ///< tokens that are seen at once, at most; 0: 512, or the context where shorter
  bool trigram = false;               ///< count the training split, as a yardstick
  bool json = false;
};

/// Prints a table or JSON. Errors: data made with another tokenizer, no held-out tokens, a length beyond the context.
void score_data(DeepseekV3& model, const ScoreDataOptions& options);

}  // namespace nuri
