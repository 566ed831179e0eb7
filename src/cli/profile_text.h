// A recording of kernels as a table, as JSON and as a trace for chrome://tracing or ui.perfetto.dev.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "backend/cpu/peak.h"
#include "base/json.h"
#include "base/profile.h"

namespace nuri {

/// Where the threads' time went, as shares of threads x wall time. They add up to 1.
struct Breakdown {
  double product = 0, attention = 0, elementwise = 0, optimizer = 0, packing = 0;
  double waiting = 0;  ///< a thread has nothing to do: the end of a region, or code outside of kernels runs on another
  double other = 0;    ///< the first thread outside of kernels
};
Breakdown breakdown_of(const profile::Recording& recording);
/// "product 61.2 %, attention 9.8 %, ..."
std::string breakdown_text(const Breakdown& b);
OrderedJson breakdown_json(const Breakdown& b);

/// Kernels of one kind, direction and shape, the longest first, `most` rows; then breakdown and threads.
std::string profile_table(const profile::Recording& recording, const cpu::Peaks& peaks, size_t most);
/// The same rows, all of them.
OrderedJson profile_json(const profile::Recording& recording, const cpu::Peaks& peaks);
/// Trace event format: one line per thread; a kernel carries shape, level, rates, shares and bytes.
std::string chrome_trace(const profile::Recording& recording, const cpu::Peaks& peaks, const std::string& level);

}  // namespace nuri
