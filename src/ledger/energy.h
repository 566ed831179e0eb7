// Energy as the machine reports it: the processor packages' counters of Linux (powercap, RAPL), where they may be read.
#pragma once

#include <filesystem>
#include <map>
#include <optional>

namespace nuri {

/// Joules that all packages of this machine have drawn since the meter was made, whoever used them: of a machine that
/// does nothing else, what a run drew, memory and the rest of the board left out.
class EnergyMeter {
 public:
  explicit EnergyMeter(std::filesystem::path root = "/sys/class/powercap");
  /// Nothing where there is no counter that may be read. Call it at least once a minute or two: counters wrap around.
  std::optional<double> joules();

 private:
  struct Zone {
    double last = 0, range = 0;  ///< microjoules
  };
  std::map<std::filesystem::path, Zone> zones_;
  double microjoules_ = 0;
};

}  // namespace nuri
