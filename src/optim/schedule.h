// Learning rates over steps. Arithmetic in double with the functions of profile x1, rounded to FP32 once where used.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace nuri {

enum class ScheduleKind : uint8_t {
  wsd,     ///< linear warm-up, constant, then linear decay to `final` over the last `decay_fraction` of the steps
  cosine,  ///< linear warm-up, then a half cosine to `final` at the last step
};
ScheduleKind parse_schedule(std::string_view name);  ///< "wsd" or "cosine"; else an error
std::string_view schedule_name(ScheduleKind kind);

struct Schedule {
  ScheduleKind kind = ScheduleKind::wsd;
  double peak = 2.2e-4;
  double final = 2.2e-5;
  int64_t warmup_steps = 0;
  int64_t total_steps = 1;
  double decay_fraction = 0.4;  ///< of total_steps; wsd only

  /// Rate of step 0, 1, ..., total_steps - 1. The first warm-up step is peak / warmup_steps.
  double at(int64_t step) const;
};

}  // namespace nuri
