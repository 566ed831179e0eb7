// Rows of tokens as a training step takes them, and where they come from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace nuri::data {

/// Tokens [begin, end) of a row that are one document's, and where they stand in it.
struct Piece {
  int64_t row = 0, begin = 0, end = 0;  // in the batch, in the row
  uint64_t offset = 0;                  // of `begin` inside the document, in tokens
  Origin origin;
};

struct Batch {
  int64_t n_rows = 0, length = 0;
  std::vector<int32_t> tokens;  // [n_rows, length + 1]: position i predicts i + 1
  std::vector<int32_t>
      documents;                 // [n_rows, length + 1]: equal numbers in a row = the same document; from 0, ascending
  std::vector<uint8_t> learned;  // [n_rows, length + 1] 1 where a token may be a target; empty: every one may
  std::vector<Piece> pieces;     // by row and position; padding has none
};

/// Held-out rows and the names of their sources.
class HeldOut {
 public:
  virtual ~HeldOut() = default;
  virtual uint64_t size() const = 0;                             ///< rows
  virtual Batch rows(uint64_t first, int64_t n_rows) const = 0;  ///< first + n_rows <= size()
  virtual const std::string& source_name(int source) const = 0;  ///< of the number in an Origin
};

}  // namespace nuri::data
