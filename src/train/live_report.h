// When the page of a run that goes on is written again, and of what.
#pragma once

#include <filesystem>

#include "train/metrics.h"

namespace nuri {

/// After this time an open page reads its file again, and a step's end writes a new one. Seconds.
inline constexpr double kReportSeconds = 10;

/// The page is written after a validation or a save and where it is kReportSeconds old, but never so often that writing
/// takes more than a twentieth of the time: a log of many steps takes seconds to draw. Times are in seconds of one
/// clock.
class ReportTimes {
 public:
  /// event: a validation or a save was just made.
  bool due(double now, bool event) const { return now - ended_ >= (event ? 0 : kReportSeconds) && now >= rested_; }
  void wrote(double begin, double end) {
    constexpr double kRest = 19;  // of what writing took
    ended_ = end;
    rested_ = end + kRest * (end - begin);
  }

 private:
  double ended_ = -kReportSeconds;
  double rested_ = 0;
};

/// At most about this many rows of each kind, evenly spread: what the plan's memory for buffers can hold of a log.
inline constexpr int64_t kLiveRows = 1000;
/// read_log of at most `most` rows of each kind (the newest among them), read line by line: memory does not follow the
/// length of the log.
RunLog thinned_log(const std::filesystem::path& path, int64_t most);

}  // namespace nuri
