#include "ledger/energy.h"

#include <fstream>
#include <string>

namespace nuri {
namespace {

std::optional<double> number_in(const std::filesystem::path& path) {
  std::ifstream file(path);
  double value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

/// "intel-rapl:0", a package; not "intel-rapl:0:1", a part of it that would count twice.
bool is_package(const std::string& name) {
  const size_t colon = name.find(':');
  return name.starts_with("intel-rapl:") && name.find(':', colon + 1) == std::string::npos;
}

}  // namespace

EnergyMeter::EnergyMeter(std::filesystem::path root) {
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(root, none)) {
    if (!is_package(entry.path().filename().string())) continue;
    const auto now = number_in(entry.path() / "energy_uj"), range = number_in(entry.path() / "max_energy_range_uj");
    if (now && range) zones_[entry.path()] = {*now, *range};
  }
}

std::optional<double> EnergyMeter::joules() {
  if (zones_.empty()) return std::nullopt;
  for (auto& [path, zone] : zones_) {
    const auto now = number_in(path / "energy_uj");
    if (!now) return std::nullopt;
    microjoules_ += *now >= zone.last ? *now - zone.last : *now + zone.range - zone.last;
    zone.last = *now;
  }
  return 1e-6 * microjoules_;
}

}  // namespace nuri
