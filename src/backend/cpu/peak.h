// What this machine can do at most, measured now with the level in use on all threads of the pool.
#pragma once

#include <cstdint>
#include <memory>

namespace nuri::cpu {

struct Peaks {
  double fp32_gflops = 0;  ///< FMA in registers, 2 operations each
  double bf16_gflops = 0;  ///< VDPBF16PS in registers; fp32_gflops where the level does BF16 products by FMA
  double read_gbps = 0;    ///< 1e9 bytes read per second, buffer larger than any cache
  double copy_gbps = 0;    ///< 1e9 bytes read and written per second by a copy past the caches
  double handover_ns = 0;  ///< see handover_ns()
  int64_t buffer_bytes = 0;
};

/// Best of repeated measurements, about `seconds` in all, and what filling the buffer takes: buffer_limit bytes, or a
/// quarter of the memory allowed where that is less. Nothing is kept.
Peaks measure_peaks(double seconds, int64_t buffer_limit = int64_t{4} << 30);

/// Measures the peaks of products for about `seconds`, in registers alone, and keeps the better ones in `peaks`.
void measure_products(double seconds, Peaks& peaks);

/// Nanoseconds in which a cache line passes between two threads of the pool (median of some turns; 0 with one
/// thread; not from inside a task). On a Zen 4 27 to 40 where their cores share a third-level cache and 160 to 260
/// where they do not: reading is faster then, but all that one thread wrote for another comes late. A virtual machine
/// may change from one to the other.
double handover_ns();

/// Operations per second of VDPBF16PS over those of FP32 FMA, on this thread, about a millisecond: 2 on AMD's Zen 5,
/// 0.5 on Intel's Granite Rapids. Only where the level avx512_bf16 is available.
double bf16_dot_speed();

/// The bandwidths of the moment: between the runs of what is compared with them, as neighbours of a virtual machine
/// change them from second to second.
class BandwidthProbe {
 public:
  BandwidthProbe();
  ~BandwidthProbe();
  /// 1e9 bytes per second of one pass over a part of a buffer that no cache holds, another part each time.
  double read();
  double copy();  ///< read and written

 private:
  struct Memory;
  const char* next_part();
  std::unique_ptr<Memory> memory_;
  int64_t part_ = 0;
};

}  // namespace nuri::cpu
