#include "cli/machine.h"

#include <algorithm>

#include "backend/cpu/levels.h"

namespace nuri {

namespace {

constexpr double kSeconds = 0.6, kComputeSeconds = 0.2;

cpu::Peaks& kept_peaks(double seconds) {
  static cpu::Peaks peaks = cpu::measure_peaks(seconds);
  return peaks;
}

}  // namespace

const cpu::Peaks& machine_peaks(double seconds) { return kept_peaks(seconds); }

void measure_products_again() {
  cpu::Peaks& kept = kept_peaks(kSeconds);
  cpu::measure_products(kComputeSeconds, kept);
  kept.handover_ns = std::max(kept.handover_ns, cpu::handover_ns());
}

namespace {

cpu::Peaks& kept_compute_peaks() {
  static cpu::Peaks peaks = [] {
    cpu::Peaks first;
    cpu::measure_products(kComputeSeconds, first);
    return first;
  }();
  return peaks;
}

}  // namespace

const cpu::Peaks& compute_peaks() { return kept_compute_peaks(); }

std::function<double()> measured_peak(bool bf16) {
  return [bf16, again = false]() mutable {
    cpu::Peaks& peaks = kept_compute_peaks();
    if (again) cpu::measure_products(kComputeSeconds, peaks);
    again = true;
    return product_peak(peaks, bf16);
  };
}

double product_peak(const cpu::Peaks& peaks, bool bf16) { return bf16 ? peaks.bf16_gflops : peaks.fp32_gflops; }

std::string active_level_text() { return std::string(cpu::level_name(cpu::active_level())); }

}  // namespace nuri
