// Training rows as the losses see them: inputs, targets, and which of them count.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/batch.h"

namespace nuri {

/// Rows of length+1 tokens: position i predicts token i+1; MTP position i predicts token i+2. A target counts only
/// inside its own document. With document_mask attention and positions follow documents, else the whole row is one
/// document (V3's pre-training).
struct TrainBatch {
  RaggedBatch batch;                 ///< the first `length` tokens of each row
  std::vector<int32_t> targets;      ///< [n_tokens]
  std::vector<uint8_t> counts;       ///< [n_tokens] 1 where the target counts
  std::vector<int32_t> mtp_targets;  ///< [n_tokens]; the last position of a row has none (0, not counted)
  std::vector<uint8_t> mtp_counts;
  int64_t n_rows() const { return static_cast<int64_t>(batch.rows.size()) - 1; }
  int64_t n_targets() const;  ///< main targets that count
};

/// tokens, documents [n_rows, length + 1]; equal neighbours in `documents` are one document. learned, of the same size
/// or empty: 0 where a token is no target, neither of the main head nor of MTP.
TrainBatch make_train_batch(std::span<const int32_t> tokens, std::span<const int32_t> documents, int64_t n_rows,
                            int64_t length, bool document_mask, std::span<const uint8_t> learned = {});

/// A sequence of at least two ids, of which those from `first_target` (at least 1) on are learned.
struct LearnedSequence {
  std::span<const int32_t> ids;
  int64_t first_target = 1;
};
/// Each sequence is a row of its own; MTP has no targets.
TrainBatch make_train_batch(std::span<const LearnedSequence> sequences);

/// The batch of MTP: every row without its last position (rows of one token vanish). `index` receives, for each of its
/// tokens, the position in the whole batch.
RaggedBatch shift_for_mtp(const RaggedBatch& batch, std::vector<int32_t>& index);

}  // namespace nuri
