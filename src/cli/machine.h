// The machine as the verbs print it.
#pragma once

#include <functional>
#include <string>

#include "backend/cpu/peak.h"

namespace nuri {

/// Measured peaks of this process's level and threads, in about `seconds`; measured at the first call. Reads and copies
/// go over 4 GiB, given back afterwards.
const cpu::Peaks& machine_peaks(double seconds = 0.6);
/// Measures the peaks of products again and keeps the better ones: other guests of a machine take their share for
/// seconds, and a share of a peak that was measured meanwhile would be too high. Of the handover it keeps the slower
/// one.
void measure_products_again();
/// The peaks of products only: what a training run needs for its utilisation.
const cpu::Peaks& compute_peaks();
/// A function that measures them at each call (the first takes compute_peaks()) and returns the best so far, GFLOP/s.
std::function<double()> measured_peak(bool bf16);
/// Peak of the products of a precision, GFLOP/s.
double product_peak(const cpu::Peaks& peaks, bool bf16);
std::string active_level_text();

}  // namespace nuri
