#include "optim/schedule.h"

#include "base/error.h"
#include "base/x1.h"

namespace nuri {

ScheduleKind parse_schedule(std::string_view name) {
  if (name == "wsd") return ScheduleKind::wsd;
  if (name == "cosine") return ScheduleKind::cosine;
  fail("schedule '{}' is unknown; choose wsd (warm-up, stable, decay) or cosine", name);
}

std::string_view schedule_name(ScheduleKind kind) { return kind == ScheduleKind::wsd ? "wsd" : "cosine"; }

double Schedule::at(int64_t step) const {
  if (step < warmup_steps) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  if (kind == ScheduleKind::cosine) {
    const double span = static_cast<double>(total_steps - warmup_steps);
    const double done = span > 0 ? static_cast<double>(step - warmup_steps) / span : 1;
    double sin, cos;
    x1::sincos(3.14159265358979323846 * (done < 1 ? done : 1), sin, cos);
    return final + 0.5 * (peak - final) * (1 + cos);
  }
  const double decay_steps = decay_fraction * static_cast<double>(total_steps);
  const double left = static_cast<double>(total_steps - step);  // 1 at the last step
  if (left >= decay_steps) return peak;
  return final + (peak - final) * left / decay_steps;
}

}  // namespace nuri
