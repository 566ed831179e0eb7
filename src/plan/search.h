// Layouts of a job, tried one by one and ranked by predicted time: what `auto` means.
#pragma once

#include <vector>

#include "plan/constants.h"
#include "plan/layout.h"
#include "plan/memory.h"
#include "plan/step_time.h"

namespace nuri::plan {

/// What may vary; an empty list leaves the job's own value.
struct SearchSpace {
  std::vector<int64_t> tp, cp, pp, vp, ep, micro_batch;
  bool split_experts = false;  ///< also with tensor parallelism inside experts (etp = tp)
  std::vector<int> zero;
  std::vector<Recompute> recompute;
  std::vector<Schedule> schedule;
  double least_batch = 0;  ///< tokens of a step that a layout must work with too (a ramp's first); 0: the job's own
};

/// All degrees that the devices, heads, layers and experts of the job allow; tp and cp in powers of two.
SearchSpace whole_space(const Job& job);

struct Candidate {
  Layout layout;
  double step_seconds = 0;
  double tokens_per_s = 0;  ///< of all devices
  double memory = 0;        ///< bytes of a device
};

struct SearchResult {
  std::vector<Candidate> best;  ///< fastest first
  int64_t evaluated = 0;        ///< layouts whose time or memory was computed
};

/// The `keep` fastest layouts that fit into `memory_share` of the device.
SearchResult search(const Job& job, const SearchSpace& space, const Constants& constants, size_t keep,
                    double memory_share = 0.95);

/// Whether the degrees divide what they split; no message.
bool is_possible(const Job& job);

}  // namespace nuri::plan
