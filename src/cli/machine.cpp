#include "cli/machine.h"

#include <algorithm>

#include "backend/cpu/levels.h"

namespace nuri {

namespace {

cpu::Peaks& kept_peaks(double seconds) {
  static cpu::Peaks peaks = cpu::measure_peaks(seconds);
  return peaks;
}

}  // namespace

const cpu::Peaks& machine_peaks(double seconds) { return kept_peaks(seconds); }

void measure_machine_again(double seconds) {
  cpu::Peaks& kept = kept_peaks(seconds);
  const cpu::Peaks now = cpu::measure_peaks(seconds);
  for (double cpu::Peaks::*peak :
       {&cpu::Peaks::fp32_gflops, &cpu::Peaks::bf16_gflops, &cpu::Peaks::read_gbps, &cpu::Peaks::copy_gbps})
    kept.*peak = std::max(kept.*peak, now.*peak);
}

const cpu::Peaks& compute_peaks() {
  static const cpu::Peaks peaks = cpu::measure_peaks(0.4, int64_t{16} << 20);
  return peaks;
}

double product_peak(const cpu::Peaks& peaks, bool bf16) { return bf16 ? peaks.bf16_gflops : peaks.fp32_gflops; }

std::string active_level_text() { return std::string(cpu::level_name(cpu::active_level())); }

}  // namespace nuri
