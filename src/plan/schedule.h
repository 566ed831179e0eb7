// Pipeline schedules, simulated operation by operation: which stage works on which micro-batch when, and how long it
// waits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plan/layout.h"

namespace nuri::plan {

/// weight: gradients of weights, where split off; both: a forward beside a backward (dualpipe).
enum class PipelineOp : uint8_t { forward, backward, weight, both };

struct PipelineSlot {
  int64_t stage = 0, micro = 0, chunk = 0;  ///< chunk of dualpipe: the direction
  PipelineOp op = PipelineOp::forward;
  double start = 0, end = 0;
  int64_t beside = -1;  ///< of `both`: the micro-batch of the other direction that passes backward
};

/// Seconds of one micro-batch on one chunk of a stage. `backward` includes `weight`.
struct ChunkTime {
  double forward = 0, backward = 0, weight = 0;
};

struct PipelineRun {
  std::vector<PipelineSlot> slots;  ///< in the order of their starts
  double seconds = 0;               ///< until the last ends
  double idle = 0;                  ///< seconds that the stages wait, on average
  int64_t in_flight = 0;            ///< most micro-batches (of one chunk) that a stage holds at once
};

/// 1F1B, interleaved 1F1B (chunks > 1; micro-batches in groups of `stages`) and zero-bubble (ZB-H1: gradients of
/// weights fill the waits, no more in flight than 1F1B), dualpipe (plan/dualpipe.h). Errors: more than one chunk with
/// zero-bubble or dualpipe; interleaving with micro-batches that are no multiple of the stages; dualpipe with odd
/// numbers or fewer than 2 p micro-batches.
PipelineRun simulate(Schedule schedule, int64_t stages, int64_t chunks, int64_t micro_batches, const ChunkTime& time);

/// The wait by formula, where there are enough micro-batches (a multiple of the stages with chunks, 2 p else): (p -
/// 1)(F + B); zero-bubble (p - 1)(2 max(F, B - W) - W), which is the published (p - 1)(F + B - 2 W) where F = B - W;
/// DualPipe, where W = B / 2: (p / 2 - 1)(F + max(F, W)) - min(F, (p / 2 - 1) max(0, W - F)). Published is (p / 2 -
/// 1)(F + B + B - 3 W), a forward and a backward beside each other taking F + B; that counts on F <= B - W and on pairs
/// alone, but the first of the middle ranks runs apart, which saves up to one F.
double idle_by_formula(Schedule schedule, int64_t stages, const ChunkTime& time);

/// One line for each stage, `width` columns: F forward, B backward, W gradients of weights, & a forward beside a
/// backward, . waiting.
std::string draw(const PipelineRun& run, int64_t stages, int64_t width);

}  // namespace nuri::plan
