// Products by shape, precision and layout: GFLOP/s and share of the peak of a register-only multiply-add loop of the
// same level and thread count. Choose the level with NURI_CPU, the threads with NURI_THREADS. `best` and `median` are
// over the iterations; packing of activations is inside, packing of weights is not.
#include <benchmark/benchmark.h>
#include <immintrin.h>
#include <time.h>

#include <algorithm>
#include <string>
#include <vector>

#include "backend/cpu/elementary.h"
#include "backend/cpu/levels.h"
#include "backend/kernels.h"
#include "base/error.h"
#include "base/threads.h"

namespace nuri {
namespace {

/// Seconds. With one thread its own CPU time, which other programs on the machine disturb less.
double now() {
  timespec t;
  clock_gettime(thread_count() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Independent chains of one instruction; each function returns the multiply-adds it did.
constexpr int kChains = 12, kRounds = 200000;

__attribute__((target("avx2,fma"))) double spin_avx2() {
  __m256 c[kChains] = {};
#pragma GCC unroll 16
  for (__m256& x : c) asm volatile("" : "+x"(x));  // chains the compiler cannot merge
  __m256 a = _mm256_set1_ps(1e-30f);
  for (int i = 0; i < kRounds; ++i) {
    asm volatile("" : "+x"(a));
#pragma GCC unroll 16
    for (__m256& x : c) x = _mm256_fmadd_ps(a, a, x);
  }
  for (__m256& x : c) benchmark::DoNotOptimize(x);
  return 8.0 * kChains * kRounds;
}
__attribute__((target("avx512f"))) double spin_avx512() {
  __m512 c[kChains] = {};
#pragma GCC unroll 16
  for (__m512& x : c) asm volatile("" : "+v"(x));  // chains the compiler cannot merge
  __m512 a = _mm512_set1_ps(1e-30f);
  for (int i = 0; i < kRounds; ++i) {
    asm volatile("" : "+v"(a));
#pragma GCC unroll 16
    for (__m512& x : c) x = _mm512_fmadd_ps(a, a, x);
  }
  for (__m512& x : c) benchmark::DoNotOptimize(x);
  return 16.0 * kChains * kRounds;
}
__attribute__((target("avx512f,avx512bf16"))) double spin_bf16() {
  __m512 c[kChains] = {};
#pragma GCC unroll 16
  for (__m512& x : c) asm volatile("" : "+v"(x));  // chains the compiler cannot merge
  __m512i a = _mm512_set1_epi32(0x10001000);
  for (int i = 0; i < kRounds; ++i) {
    asm volatile("" : "+v"(a));
#pragma GCC unroll 16
    for (__m512& x : c) x = _mm512_dpbf16_ps(x, (__m512bh)a, (__m512bh)a);
  }
  for (__m512& x : c) benchmark::DoNotOptimize(x);
  return 32.0 * kChains * kRounds;
}

/// FLOP per second of all threads, best of a few tries.
double peak(Precision precision) {
  const cpu::Level level = cpu::active_level();
  if (level == cpu::Level::portable) return 0;
  const auto spin = level == cpu::Level::avx2                                          ? spin_avx2
                    : level == cpu::Level::avx512_bf16 && precision == Precision::bf16 ? spin_bf16
                                                                                       : spin_avx512;
  double best = 0;
  for (int attempt = 0; attempt < 50; ++attempt) {
    std::vector<double> work(static_cast<size_t>(thread_count()));
    const double start = now();
    parallel_for(thread_count(), [&](int64_t t) { work[static_cast<size_t>(t)] = spin(); });
    double total = 0;
    for (double w : work) total += w;
    best = std::max(best, 2 * total / (now() - start));
  }
  return best;
}
double cached_peak(Precision precision) {
  static double peaks[2] = {};
  double& p = peaks[static_cast<int>(precision)];
  if (p == 0) p = peak(precision);
  return p;
}

/// Memory that the products read and write, as tensors have it (huge pages where large), touched.
struct Memory {
  size_t bytes;
  float* data;
  explicit Memory(int64_t floats)
      : bytes(static_cast<size_t>(floats) * 4), data(static_cast<float*>(allocate(bytes, Owner::activations))) {
    for (int64_t i = 0; i < floats; ++i) data[i] = static_cast<float>((i * 7919) % 1000 - 500) * 1e-3f;
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { release(data, bytes, Owner::activations); }
};

/// Seconds a byte of reading a part of `memory` that no cache holds, another part each time.
double read_seconds(const Memory& memory) {
  constexpr int64_t kPart = 32 << 20, kChunk = 1 << 20;
  const cpu::PeakKernels& peaks = cpu::pick(cpu::portable::peak_kernels, cpu::avx2::peak_kernels,
                                            cpu::avx512::peak_kernels, cpu::avx512_bf16::peak_kernels);
  static int64_t part = 0;
  const int64_t parts = static_cast<int64_t>(memory.bytes) / kPart;
  const char* data = reinterpret_cast<const char*>(memory.data) + part++ % parts * kPart;
  const double start = now();
  parallel_for(kPart / kChunk, [&](int64_t i) { benchmark::DoNotOptimize(peaks.read(data + i * kChunk, kChunk)); });
  return (now() - start) / static_cast<double>(kPart);
}

/// Times products in turn; weights: their memory, where they come from memory each time: the share of its bandwidth.
void measure(benchmark::State& state, const std::vector<std::vector<ProductArgs>>& rotation, Precision precision,
             const Memory* weights = nullptr) {
  double flops = 0, bytes = 0;
  for (const ProductArgs& p : rotation[0]) {
    flops += 2.0 * static_cast<double>(p.m * p.n * p.k);
    if (p.packed) bytes += static_cast<double>(packed_bytes(precision, p.k, p.n));
  }
  kernels().products(rotation[0]);  // takes the scratch memory
  std::vector<double> times, reads;
  size_t turn = 0;
  for (auto _ : state) {
    const double start = now();
    kernels().products(rotation[turn]);
    times.push_back(now() - start);
    if (weights && turn % 8 == 0) reads.push_back(read_seconds(*weights));
    turn = (turn + 1) % rotation.size();
  }
  std::sort(times.begin(), times.end());
  const double best = times[0], median = times[times.size() / 2], p = cached_peak(precision);
  state.counters["best_GFLOPs"] = flops / best * 1e-9;
  state.counters["best_%"] = p > 0 ? 100 * flops / best / p : 0;
  state.counters["median_%"] = p > 0 ? 100 * flops / median / p : 0;
  state.counters["GB/s"] = bytes / best * 1e-9;
  if (weights) {
    std::sort(reads.begin(), reads.end());
    state.counters["median_of_read_%"] = 100 * bytes / median * reads[reads.size() / 2];
  }
  state.SetLabel(std::string(cpu::level_name(cpu::active_level())) + " " + std::string(precision_name(precision)) +
                 " " + std::to_string(thread_count()) + " threads, peak " + std::to_string(static_cast<int>(p * 1e-9)));
}

/// Dense C = A W^T; enough copies of the weights that those of a small product come from memory each time.
void dense(benchmark::State& state, Precision precision, int64_t m, int64_t n, int64_t k, bool cold) {
  const auto bytes = static_cast<int64_t>(packed_bytes(precision, k, n));
  const int64_t copies = cold ? (int64_t(512) << 20) / bytes + 1 : 1;
  Memory a(m * k), c(m * n), w(copies * bytes / 4);
  std::vector<PackedMatrix> packed;
  for (int64_t i = 0; i < copies; ++i) packed.push_back({precision, k, n, reinterpret_cast<char*>(w.data) + i * bytes});
  std::vector<std::vector<ProductArgs>> rotation;
  for (const PackedMatrix& matrix : packed) {
    ProductArgs p;
    p.precision = precision, p.m = m, p.n = n, p.k = k;
    p.a = {.data = a.data, .stride = k};
    p.packed = &matrix;
    p.c = c.data, p.c_stride = n;
    rotation.push_back({p});
  }
  measure(state, rotation, precision, cold ? &w : nullptr);
}

enum class Pass { forward, input_gradient, weight_gradient };

/// Experts of `in` -> `out` features; tokens choose `active` of `experts`; the gate and up product gathers its rows.
/// cold: enough copies of everything that each call finds its operands in memory, not in a cache.
void grouped(benchmark::State& state, Precision precision, Pass pass, int64_t tokens, int64_t experts, int64_t active,
             int64_t in, int64_t out, bool gather, bool cold) {
  const int64_t slots = tokens * active;
  const int64_t k = pass == Pass::forward ? in : out, n = pass == Pass::forward ? out : in;
  const auto bytes = static_cast<int64_t>(packed_bytes(precision, k, n));
  const int64_t copies = cold ? (int64_t(128) << 20) / (slots * (in + out) * 4) + 2 : 1;
  Memory x(copies * slots * in), y(copies * slots * out), w(experts * bytes / 4), dw(experts * in * out);
  std::vector<int32_t> rows(static_cast<size_t>(slots));
  std::vector<PackedMatrix> packed(static_cast<size_t>(experts));
  std::vector<std::vector<ProductArgs>> rotation(static_cast<size_t>(copies));
  for (int64_t e = 0, first = 0; e < experts; ++e) {
    // Loads differ by up to a third, as in training; slots of an expert hold ascending tokens.
    const int64_t mean = slots / experts, count = e + 1 == experts ? slots - first : mean + mean * (e % 5 - 2) / 6;
    for (int64_t i = 0; i < count; ++i)
      rows[static_cast<size_t>(first + i)] = static_cast<int32_t>((i * tokens) / count);
    packed[static_cast<size_t>(e)] = {precision, k, n, reinterpret_cast<char*>(w.data) + e * bytes};
    for (int64_t copy = 0; copy < copies; ++copy) {
      float* const xs = x.data + copy * slots * in;
      float* const ys = y.data + copy * slots * out;
      const Operand x_rows{
          .data = xs + (gather ? 0 : first * in), .stride = in, .rows = gather ? rows.data() + first : nullptr};
      ProductArgs p;
      p.precision = precision;
      p.m = count, p.n = n, p.k = k;
      p.packed = &packed[static_cast<size_t>(e)];
      if (pass == Pass::forward) {
        p.a = x_rows;
        p.c = ys + first * out, p.c_stride = out;
      } else {
        p.a = {.data = ys + first * out, .stride = out};
        p.c = xs + first * in, p.c_stride = in;
      }
      if (pass == Pass::weight_gradient) {
        p.m = out, p.n = in, p.k = count;
        p.a.transposed = true;
        p.packed = nullptr;
        p.b = x_rows;
        p.c = dw.data + e * in * out, p.c_stride = in;
        p.accumulate = true;
      }
      rotation[static_cast<size_t>(copy)].push_back(p);
    }
    first += count;
  }
  measure(state, rotation, precision);
}

void pack_weights(benchmark::State& state, Precision precision, bool transposed) {
  const int64_t n = 4096, k = 1024;
  Memory w(n * k), out(static_cast<int64_t>(packed_bytes(precision, k, n)) / 4);
  PackedMatrix packed{precision, k, n, out.data};
  const PackArgs args{{.data = w.data, .stride = transposed ? k : n, .transposed = transposed}, &packed};
  double best = 1e9;
  for (auto _ : state) {
    const double start = now();
    kernels().pack({&args, 1});
    best = std::min(best, now() - start);
  }
  state.counters["best_Gelements"] = static_cast<double>(n * k) / best * 1e-9;
  state.SetLabel(std::string(cpu::level_name(cpu::active_level())));
}

[[maybe_unused]] const bool registered = [] {
  const auto add = [](const std::string& name, auto run) {
    benchmark::RegisterBenchmark(name.c_str(), run)->MinTime(0.3)->UseRealTime()->Unit(benchmark::kMicrosecond);
  };
  for (Precision precision : {Precision::bf16, Precision::f32}) {
    const std::string type(precision_name(precision));
    const int64_t squares[][3] = {{512, 512, 512},   {1024, 1024, 1024}, {2048, 2048, 2048}, {512, 4096, 1024},
                                  {2048, 512, 4096}, {2048, 192, 64},    {2048, 192, 512},   {2048, 16, 192}};
    for (const auto& [m, n, k] : squares)
      add(fmt::format("products/{}/dense/{}x{}x{}", type, m, n, k),
          [=](benchmark::State& s) { dense(s, precision, m, n, k, false); });
    for (int64_t m : {1, 2, 4, 8, 16, 32, 64})
      add(fmt::format("products/{}/cold/{}x4096x1024", type, m),
          [=](benchmark::State& s) { dense(s, precision, m, 4096, 1024, true); });
    struct Preset {
      const char* name;
      int64_t tokens, experts, active, d, f;
    };
    for (const Preset& t :
         {Preset{"nano", 2048, 16, 4, 192, 64}, Preset{"micro", 2048, 16, 4, 384, 128},
          Preset{"small", 1024, 32, 4, 1024, 704}, Preset{"small_64_sequences", 64, 32, 4, 1024, 704}})
      for (Pass pass : {Pass::forward, Pass::input_gradient, Pass::weight_gradient}) {
        const char* passes[] = {"forward", "dx", "dw"};
        const std::string end = fmt::format("{}/{}", t.name, passes[static_cast<int>(pass)]);
        for (bool cold : {false, true}) {
          const char* where = cold ? "_cold" : "";
          add(fmt::format("products/{}/gate_up{}/{}", type, where, end), [=](benchmark::State& s) {
            grouped(s, precision, pass, t.tokens, t.experts, t.active, t.d, 2 * t.f, true, cold);
          });
          add(fmt::format("products/{}/down{}/{}", type, where, end), [=](benchmark::State& s) {
            grouped(s, precision, pass, t.tokens, t.experts, t.active, t.f, t.d, false, cold);
          });
        }
      }
    for (bool transposed : {true, false})
      add(fmt::format("products/{}/pack_weights/{}", type, transposed ? "forward" : "backward"),
          [=](benchmark::State& s) { pack_weights(s, precision, transposed); });
  }
  return true;
}();

}  // namespace
}  // namespace nuri
