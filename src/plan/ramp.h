// A batch that grows with the tokens seen, as DeepSeek-V3's from 3,072 to 15,360 sequences over its first 469 B tokens:
// how many steps that takes, and how long.
#pragma once

#include <vector>

#include "plan/constants.h"
#include "plan/layout.h"

namespace nuri::plan {

/// From `first` tokens a step, linearly in the tokens seen, to the full batch over `tokens`.
struct Ramp {
  double first = 0, tokens = 0;
  bool any() const { return tokens > 0; }
};

struct RampPart {
  double tokens = 0, batch_tokens = 0, steps = 0, step_seconds = 0;
};

struct RampTime {
  Ramp ramp;
  std::vector<RampPart> parts;  ///< of equal tokens
  double steps = 0;
  double tokens_per_s_device = 0;
  double device_hours = 0, days = 0;
};

/// Of a job whose batch is the full one. Steps are those of the integral, T ln(full / first) / (full - first), and each
/// has whole micro-batches (whole rounds of the stages where chunks are interleaved): between two such batches the time
/// is that of both in proportion.
RampTime ramp_time(const Job& job, const Ramp& ramp, const Constants& constants);

}  // namespace nuri::plan
