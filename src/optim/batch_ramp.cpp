#include "optim/batch_ramp.h"

#include <algorithm>

namespace nuri {
namespace {

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

// floor(L seen / ramp) > level  <=>  seen >= ceil((level + 1) ramp / L). Products of 20 and 50 bits need more than 64.
int64_t BatchRamp::end_of(int64_t level) const {
  const __int128 wide = static_cast<__int128>(level + 1) * ramp;
  return static_cast<int64_t>((wide + levels() - 1) / levels());
}

int64_t BatchRamp::rows_at(int64_t seen) const {
  if (levels() == 0 || seen >= ramp) return full;
  return start + unit * static_cast<int64_t>(static_cast<__int128>(levels()) * seen / ramp);
}

int64_t BatchRamp::seen_after(int64_t steps) const {
  int64_t seen = 0;
  for (int64_t level = 0; level < levels(); ++level) {
    const int64_t rows = start + level * unit;
    const int64_t here = std::min(steps, std::max<int64_t>(0, divide_up(end_of(level) - seen, rows)));
    seen += here * rows;
    steps -= here;
  }
  return seen + steps * full;
}

int64_t BatchRamp::steps_within(int64_t total) const {
  int64_t seen = 0, steps = 0;
  for (int64_t level = 0; level < levels(); ++level) {
    const int64_t rows = start + level * unit;
    const int64_t wanted = std::max<int64_t>(0, divide_up(end_of(level) - seen, rows));
    const int64_t here = std::min(wanted, (total - seen) / rows);
    seen += here * rows;
    steps += here;
    if (here < wanted) return steps;
  }
  return steps + (total - seen) / full;
}

std::vector<int64_t> BatchRamp::sizes() const {
  std::vector<int64_t> out;
  for (int64_t level = 0; level < levels(); ++level) out.push_back(start + level * unit);
  out.push_back(full);
  return out;
}

}  // namespace nuri
