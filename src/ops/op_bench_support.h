// Helpers of the op benchmarks: memory as tensors have it, times, and the share of what this machine copies.
#pragma once

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "backend/cpu/levels.h"
#include "backend/kernels.h"
#include "base/threads.h"
#include "tensor/tensor.h"

namespace nuri::bench {

/// Numbers between -0.5 and 0.5.
inline Tensor filled(Shape shape) {
  Tensor t = Tensor::empty(shape);
  for (int64_t i = 0; i < t.size(); ++i) t.data<float>()[i] = static_cast<float>((i * 7919) % 1000 - 500) * 1e-3f;
  return t;
}

/// Seconds. With one thread its own CPU time, which other programs on the machine disturb less.
inline double now() {
  timespec t;
  clock_gettime(thread_count() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Bytes read and written per second by a copy of memory on all threads, measured once.
inline double copy_rate() {
  static const double rate = [] {
    constexpr int64_t kRows = 256, kRowFloats = int64_t{1} << 16;  // 64 MiB
    const Tensor from = filled({kRows, kRowFloats}), to = filled({kRows, kRowFloats});
    double best = 1e300;
    for (int attempt = 0; attempt < 20; ++attempt) {
      const double start = now();
      parallel_for(kRows, [&](int64_t row) {
        std::memcpy(to.data<float>() + row * kRowFloats, from.data<float>() + row * kRowFloats, kRowFloats * 4);
      });
      best = std::min(best, now() - start);
    }
    return static_cast<double>(2 * from.bytes()) / best;
  }();
  return rate;
}

/// Times `run`, which has to read and write `bytes`.
template <class Run>
void measure_bytes(benchmark::State& state, double bytes, Run run) {
  run();
  double best = 1e300;
  for (auto _ : state) {
    const double start = now();
    run();
    best = std::min(best, now() - start);
  }
  state.counters["best_us"] = best * 1e6;
  state.counters["GB/s"] = bytes / best * 1e-9;
  state.counters["best_%"] = 100 * bytes / best / copy_rate();
  state.SetLabel(std::string(cpu::level_name(cpu::active_level())) + " " + std::to_string(thread_count()) +
                 " threads, copy " + std::to_string(static_cast<int>(copy_rate() * 1e-9)) + " GB/s");
}

/// A batch of the preset micro, whose rows lie in the caches, and one that comes from memory.
struct RowShape {
  const char* name;
  int64_t n_tokens, d;
};
inline constexpr RowShape kRowShapes[] = {{"micro", 2048, 384}, {"memory", 8192, 2048}};

/// Registers body(state, n_tokens, d) for both.
template <class Body>
bool register_rows(const std::string& op, Body body) {
  for (const RowShape& shape : kRowShapes)
    benchmark::RegisterBenchmark((op + "/" + shape.name).c_str(),
                                 [shape, body](benchmark::State& state) { body(state, shape.n_tokens, shape.d); })
        ->UseRealTime()
        ->MinTime(0.2)
        ->Unit(benchmark::kMicrosecond);
  return true;
}

}  // namespace nuri::bench
