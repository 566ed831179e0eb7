#include "cli/machine.h"

#include <algorithm>

#include "backend/cpu/levels.h"

namespace nuri {

namespace {

constexpr double kSeconds = 0.6, kComputeSeconds = 0.4;
constexpr int64_t kSmallBuffer = int64_t{16} << 20;  // where bandwidth does not matter

cpu::Peaks& kept_peaks(double seconds) {
  static cpu::Peaks peaks = cpu::measure_peaks(seconds);
  return peaks;
}

}  // namespace

const cpu::Peaks& machine_peaks(double seconds) { return kept_peaks(seconds); }

void measure_products_again() {
  const cpu::Peaks now = cpu::measure_peaks(kSeconds, kSmallBuffer);
  cpu::Peaks& kept = kept_peaks(kSeconds);
  kept.fp32_gflops = std::max(kept.fp32_gflops, now.fp32_gflops);
  kept.bf16_gflops = std::max(kept.bf16_gflops, now.bf16_gflops);
  kept.handover_ns = std::max(kept.handover_ns, now.handover_ns);
}

const cpu::Peaks& compute_peaks() {
  static const cpu::Peaks peaks = cpu::measure_peaks(kComputeSeconds, kSmallBuffer);
  return peaks;
}

std::function<double()> measured_peak(bool bf16) {
  return [bf16, best = 0.0]() mutable {
    const double now =
        product_peak(best > 0 ? cpu::measure_peaks(kComputeSeconds, kSmallBuffer) : compute_peaks(), bf16);
    return best = std::max(best, now);
  };
}

double product_peak(const cpu::Peaks& peaks, bool bf16) { return bf16 ? peaks.bf16_gflops : peaks.fp32_gflops; }

std::string active_level_text() { return std::string(cpu::level_name(cpu::active_level())); }

}  // namespace nuri
