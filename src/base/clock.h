// Time for measurements: never for results.
#pragma once

#include <ctime>

namespace nuri {

/// Seconds of a steady clock.
inline double seconds_now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

}  // namespace nuri
