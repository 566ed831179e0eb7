#include "backend/cpu/peak.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "backend/cpu/elementary.h"
#include "backend/cpu/levels.h"
#include "base/error.h"
#include "base/machine.h"
#include "base/threads.h"

namespace nuri::cpu {
namespace {

constexpr int64_t kChunk = int64_t{4} << 20;  // of the buffer, claimed by a thread at a time

const PeakKernels& level_kernels() {
  return pick(portable::peak_kernels, avx2::peak_kernels, avx512::peak_kernels, avx512_bf16::peak_kernels);
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Uses a result, so that what made it is not dropped.
template <class T>
void keep(T value) {
  __asm__ volatile("" : : "g"(value) : "memory");
}

/// Largest work / seconds of repeated runs during `seconds`, at least three.
template <class Run>
double best_rate(double seconds, double work, Run run) {
  const double end = now() + seconds;
  double best = 0;
  for (int repeat = 0; repeat < 3 || now() < end; ++repeat) {
    const double start = now();
    run();
    best = std::max(best, work / std::max(now() - start, 1e-9));
  }
  return best;
}

/// Rate of a loop in registers on all threads, in 1e9 operations per second.
double loop_gflops(float (*loop)(int64_t), int64_t flops, double seconds) {
  int64_t rounds = 1;
  for (;; rounds *= 2) {  // until one call takes about 1 ms: short enough to fall between the turns of other programs
    double took = 1;
    for (int turn = 0; turn < 2; ++turn) {  // the shorter of two: an interruption does not look like a long loop
      const double start = now();
      keep(loop(rounds));
      took = std::min(took, now() - start);
    }
    if (took > 1e-3) break;
  }
  const int threads = thread_count();
  const double work = static_cast<double>(flops) * static_cast<double>(rounds) * threads;
  return best_rate(seconds, work, [&] { parallel_for(threads, [&](int64_t) { keep(loop(rounds)); }); }) / 1e9;
}

class Buffer {
 public:
  explicit Buffer(int64_t bytes) : bytes_(bytes) {
    data_ = static_cast<char*>(
        ::mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    NURI_CHECK(data_ != MAP_FAILED, "the system refuses {} bytes for measuring bandwidth; free some memory", bytes);
    ::madvise(data_, static_cast<size_t>(bytes), MADV_HUGEPAGE);  // where the system knows them: fewer page faults
    each_chunk([](char* chunk) { std::memset(chunk, 1, kChunk); });
  }
  ~Buffer() { ::munmap(data_, static_cast<size_t>(bytes_)); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  char* data() { return data_; }
  template <class Body>
  void each_chunk(Body body) {
    parallel_for(bytes_ / kChunk, [&](int64_t i) { body(data_ + i * kChunk); });
  }

 private:
  int64_t bytes_;
  char* data_;
};

}  // namespace

void measure_products(double seconds, Peaks& peaks) {
  const PeakKernels& kernels = level_kernels();
  const auto better = [&](double& peak, float (*loop)(int64_t), int64_t flops) {
    peak = std::max(peak, loop_gflops(loop, flops, seconds / 2));
  };
  better(peaks.fp32_gflops, kernels.fma_loop, kernels.fma_flops);
  if (kernels.bf16_loop)
    better(peaks.bf16_gflops, kernels.bf16_loop, kernels.bf16_flops);
  else
    peaks.bf16_gflops = peaks.fp32_gflops;
}

Peaks measure_peaks(double seconds, int64_t buffer_limit) {
  const PeakKernels& kernels = level_kernels();
  Peaks peaks;
  const double share = seconds / 4;
  measure_products(share, peaks);

  int64_t bytes = buffer_limit;
  if (const int64_t allowed = memory_allowed(); allowed > 0) bytes = std::min(bytes, allowed / 4);
  bytes = std::max(bytes / (2 * kChunk), int64_t{1}) * (2 * kChunk);
  peaks.buffer_bytes = bytes;
  Buffer buffer(bytes);
  peaks.read_gbps = best_rate(share, static_cast<double>(bytes),
                              [&] { buffer.each_chunk([&](char* chunk) { keep(kernels.read(chunk, kChunk)); }); }) /
                    1e9;
  const int64_t half = bytes / 2;
  char* data = buffer.data();
  peaks.copy_gbps = best_rate(share, static_cast<double>(bytes),
                              [&] {
                                parallel_for(half / kChunk, [&](int64_t i) {
                                  kernels.copy(data + half + i * kChunk, data + i * kChunk, kChunk);
                                });
                              }) /
                    1e9;
  measure_products(share, peaks);  // again, as the system may have put new threads on one core at first
  peaks.handover_ns = handover_ns();
  return peaks;
}

double handover_ns() {
  if (thread_count() < 2) return 0;
  constexpr int kPasses = 100, kTurns = 40, kEnd = -1;  // there and back: 0.2 to 2 ms in all
  constexpr double kLongest = 0.02;                     // seconds: threads that share a core take a time slice a pass
  std::vector<double> times;
  alignas(64) std::atomic<int> ball{0};
  const auto wait_while = [&](auto elsewhere) {
    int at = 0;
    for (int spins = 0; elsewhere(at = ball.load(std::memory_order_acquire)); ++spins)
      if (spins > 10000) std::this_thread::yield();
    return at;
  };
  // Each task waits for the other, so that two threads run them: the first passes even numbers on, the second odd ones.
  parallel_parts(2, [&](int64_t side) {
    if (side == 1) {
      for (int at; (at = wait_while([](int x) { return x % 2 == 0; })) != kEnd;)
        ball.store(at + 1, std::memory_order_release);
      return;
    }
    const double begin = now();
    for (int turn = 0; turn == 0 || (turn < kTurns && now() - begin < kLongest); ++turn) {
      const double start = now();
      for (int i = 0; i < kPasses; ++i)
        ball.store(wait_while([](int x) { return x % 2 != 0; }) + 1, std::memory_order_release);
      times.push_back((now() - start) / (2 * kPasses) * 1e9);
    }
    wait_while([](int x) { return x % 2 != 0; });
    ball.store(kEnd, std::memory_order_release);
  });
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

double bf16_dot_speed() {
  const PeakKernels& kernels = avx512_bf16::peak_kernels;
  constexpr int64_t kRounds = 64;  // 12,288 instructions: some 2 to 6 us
  // The two take turns and the shortest of each counts: an interruption would have to meet every turn of one of them.
  double fma = 0, dot = 0;
  for (int turn = 0; turn < 48; ++turn) {
    const auto rate = [&](float (*loop)(int64_t), int64_t flops) {
      const double start = now();
      keep(loop(kRounds));
      return static_cast<double>(flops) / std::max(now() - start, 1e-9);
    };
    fma = std::max(fma, rate(kernels.fma_loop, kernels.fma_flops));
    dot = std::max(dot, rate(kernels.bf16_loop, kernels.bf16_flops));
  }
  return dot / fma;
}

struct BandwidthProbe::Memory {
  static constexpr int64_t kPart = int64_t{64} << 20, kParts = 4;
  Buffer buffer{kPart * kParts}, copies{kPart};
};

BandwidthProbe::BandwidthProbe() : memory_(std::make_unique<Memory>()) {}
BandwidthProbe::~BandwidthProbe() = default;

const char* BandwidthProbe::next_part() { return memory_->buffer.data() + part_++ % Memory::kParts * Memory::kPart; }

double BandwidthProbe::read() {
  const PeakKernels& kernels = level_kernels();
  const char* data = next_part();
  const double start = now();
  parallel_for(Memory::kPart / kChunk, [&](int64_t i) { keep(kernels.read(data + i * kChunk, kChunk)); });
  return static_cast<double>(Memory::kPart) / (now() - start) / 1e9;
}

double BandwidthProbe::copy() {
  const PeakKernels& kernels = level_kernels();
  const char* from = next_part();
  char* to = memory_->copies.data();
  const double start = now();
  parallel_for(Memory::kPart / kChunk, [&](int64_t i) { kernels.copy(to + i * kChunk, from + i * kChunk, kChunk); });
  return static_cast<double>(2 * Memory::kPart) / (now() - start) / 1e9;
}

}  // namespace nuri::cpu
