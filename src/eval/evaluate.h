// Validation: bits per byte of the held-out documents, by source and by language.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/batch.h"
#include "models/deepseek_v3.h"

namespace nuri {

struct BitsOf {
  double nats = 0;    ///< of all targets, end-of-document tokens included
  int64_t bytes = 0;  ///< of normalised text that the targets stand for
  int64_t tokens = 0;
  double bits_per_byte() const { return bytes > 0 ? nats / 0.69314718055994530942 / static_cast<double>(bytes) : 0; }
};

struct EvalResult {
  BitsOf all;
  std::map<std::string, BitsOf> by_source, by_language;
};

/// Rows are run micro_rows at a time; sums are in double in row order, over what is learned. token_bytes:
/// data/token_bytes.h. `progress` is told how many rows are done.
EvalResult evaluate(DeepseekV3& model, const data::HeldOut& rows, const std::vector<int32_t>& token_bytes,
                    int64_t micro_rows, bool document_mask, const std::function<void(uint64_t rows)>& progress = {});

}  // namespace nuri
