// Learning merges from counted pieces.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "text/bpe.h"
#include "text/piece_runs.h"

namespace nuri {

struct LearnedMerges {
  std::vector<std::string> tokens;  // new tokens: raw bytes, in the order of their ids from first_id
  std::vector<Merge> merges;        // by rank; may be more than tokens, where two pairs make the same token
};

/// Calls its argument for each piece once, in any order; used several times.
using ForEachPiece = std::function<void(const PieceCallback&)>;

/// byte_ids [256]: ids of the single bytes. New tokens get first_id, first_id + 1, ... until there are max_tokens, or
/// no pair is left that is allowed and occurs min_count times. progress(done of max_tokens) is called now and then.
/// `pieces` is destroyed before the first merge, so what it owns takes no memory beside the work.
///
/// The pair with the highest count is merged; ties go to the smaller left id, then the smaller right id. Allowed are
/// pairs of whole-character tokens, and pairs of parts of one character.
LearnedMerges learn_merges(ForEachPiece pieces, const int32_t* byte_ids, int32_t first_id, int32_t max_tokens,
                           int64_t min_count, const std::function<void(int32_t)>& progress);

}  // namespace nuri
