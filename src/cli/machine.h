// The machine as the verbs print it.
#pragma once

#include <string>

#include "backend/cpu/peak.h"

namespace nuri {

/// Measured peaks of this process's level and threads, in about `seconds`; measured once per process.
const cpu::Peaks& machine_peaks(double seconds = 0.6);
/// Peak of the products of a precision, GFLOP/s.
double product_peak(const cpu::Peaks& peaks, bool bf16);
std::string active_level_text();

}  // namespace nuri
