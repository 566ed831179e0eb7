#include "cli/machine.h"

#include "backend/cpu/levels.h"

namespace nuri {

const cpu::Peaks& machine_peaks(double seconds) {
  static const cpu::Peaks peaks = cpu::measure_peaks(seconds);
  return peaks;
}

const cpu::Peaks& compute_peaks() {
  static const cpu::Peaks peaks = cpu::measure_peaks(0.4, int64_t{16} << 20);
  return peaks;
}

double product_peak(const cpu::Peaks& peaks, bool bf16) { return bf16 ? peaks.bf16_gflops : peaks.fp32_gflops; }

std::string active_level_text() { return std::string(cpu::level_name(cpu::active_level())); }

}  // namespace nuri
