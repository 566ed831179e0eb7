// DualPipe (DeepSeek-V3, arXiv:2412.19437, section 3.2.1), operation by operation.
#pragma once

#include "plan/schedule.h"

namespace nuri::plan {

/// Half of the micro-batches enter at the first rank and pass upward (direction 0), the others at the last and pass
/// downward (direction 1). A rank holds the stage of its number and the one as far from the other end, and each
/// micro-batch passes it once. In a slot `stage` is the rank and `chunk` the direction; micro-batches of direction 1
/// are the second half of the numbers. Errors: an odd number of ranks; micro-batches that are odd or fewer than twice
/// the ranks.
PipelineRun simulate_dualpipe(int64_t ranks, int64_t micro_batches, const ChunkTime& time);

}  // namespace nuri::plan
