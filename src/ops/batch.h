// The plain structs of a ragged batch and of a paged key-value view. A batch is a list of sequences of any length;
// there is no padded [batch, length] anywhere.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/kernels.h"

namespace nuri {

/// Tokens of a forward, sequence after sequence.
struct RaggedBatch {
  std::vector<int32_t> tokens;     ///< [n_tokens]
  std::vector<int32_t> positions;  ///< [n_tokens], counted from the start of the token's sequence (document)
  std::vector<int64_t> sequences;  ///< offsets of sequences, 0 first, n_tokens last: attention stays inside
  std::vector<int64_t> rows;  ///< offsets of packed training rows, likewise: balance loss and MTP's shift follow these
  int64_t n_tokens() const { return static_cast<int64_t>(tokens.size()); }
};

}  // namespace nuri
