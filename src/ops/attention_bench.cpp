// Attention by shape, form and precision: GFLOP/s of the visible half of scores and values (backward: twice that) and
// share of the peak of a register-only multiply-add loop of the same level and thread count. Packing is inside.
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "backend/cpu/elementary.h"
#include "backend/cpu/levels.h"
#include "base/threads.h"
#include "ops/attention.h"
#include "ops/attention_case.h"
#include "ops/key_cache.h"

namespace nuri {
namespace {

using test::AttentionCase;
using test::AttentionShape;

/// Seconds. With one thread its own CPU time, which other programs on the machine disturb less.
double now() {
  timespec t;
  clock_gettime(thread_count() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// FLOP per second of all threads, best of a few tries.
double measure_peak(Precision precision) {
  const cpu::PeakKernels& kernels = cpu::pick(cpu::portable::peak_kernels, cpu::avx2::peak_kernels,
                                              cpu::avx512::peak_kernels, cpu::avx512_bf16::peak_kernels);
  const bool bf16 = precision == Precision::bf16 && kernels.bf16_loop;
  constexpr int64_t kRounds = 20000;
  double best = 0;
  for (int attempt = 0; attempt < 20; ++attempt) {
    const double start = now();
    parallel_for(thread_count(), [&](int64_t) {
      benchmark::DoNotOptimize(bf16 ? kernels.bf16_loop(kRounds) : kernels.fma_loop(kRounds));
    });
    const auto flops = static_cast<double>((bf16 ? kernels.bf16_flops : kernels.fma_flops) * kRounds * thread_count());
    best = std::max(best, flops / (now() - start));
  }
  return best;
}
double peak(Precision precision) {
  static double peaks[2] = {};
  double& p = peaks[static_cast<int>(precision)];
  if (p == 0) p = measure_peak(precision);
  return p;
}

/// 2 x multiply-adds over the visible pairs: d_q for the score, d_v for the value.
double flops(const AttentionShape& s) {
  double pairs = 0;
  for (int64_t length : s.lengths) pairs += static_cast<double>(length) * static_cast<double>(length) / 2;
  return 2 * pairs * static_cast<double>(s.n_heads * (s.d_q() + s.d_v));
}

template <class Run>
void measure(benchmark::State& state, Precision precision, double work, const Run& run) {
  run();
  std::vector<double> times;
  for (auto _ : state) {
    const double start = now();
    run();
    times.push_back(now() - start);
  }
  std::sort(times.begin(), times.end());
  const double p = peak(precision);
  state.counters["best_GFLOPs"] = work / times[0] * 1e-9;
  state.counters["best_%"] = 100 * work / times[0] / p;
  state.counters["median_%"] = 100 * work / times[times.size() / 2] / p;
  state.SetLabel(std::string(cpu::level_name(cpu::active_level())) + " " + std::string(precision_name(precision)) +
                 " " + std::to_string(thread_count()) + " threads, peak " + std::to_string(static_cast<int>(p * 1e-9)));
}

void forward(benchmark::State& state, const AttentionShape& shape) {
  AttentionCase<float> c(shape);
  const AttentionArgs args = c.args().forward;
  measure(state, shape.precision, flops(shape), [&] { attention_paged(args); });
}

void backward(benchmark::State& state, const AttentionShape& shape) {
  AttentionCase<float> c(shape);
  const AttentionGradArgs args = c.args();
  attention_paged(args.forward);
  measure(state, shape.precision, 2 * flops(shape), [&] { kernels().attention_grad(args); });
}

constexpr int64_t kColdBytes = 256 << 20;  // more than caches hold

/// One token after `context` - 1 others in pages of the cache (BF16 where the precision is), of layer after layer, so
/// that every key comes from memory; GB/s of what is read.
void decode(benchmark::State& state, AttentionShape shape, int64_t context) {
  shape.lengths = {1};
  AttentionCase<float> c(shape);
  const bool bf16 = shape.precision == Precision::bf16;
  const DType dtype = bf16 ? DType::bf16 : DType::f32;
  const KeyPage page = shape.absorbed ? latent_key_page(dtype, shape.d_k, shape.d_shared)
                                      : expanded_key_page(dtype, shape.n_heads, shape.d_k, shape.d_shared, shape.d_v);
  const int64_t pages = (context + kKeyBlock - 1) / kKeyBlock;
  const size_t page_bytes = (static_cast<size_t>(page.elements) * dtype_bytes(dtype) + 63) / 64 * 64;
  const int64_t layer_bytes = pages * static_cast<int64_t>(page_bytes), layers = kColdBytes / layer_bytes + 1;
  const Tensor pool = Tensor::empty({layers * layer_bytes}, DType::u8, Owner::kv_cache);
  std::byte* memory = reinterpret_cast<std::byte*>(pool.raw());
  for (size_t i = 0; i < pool.bytes(); i += 2) {  // small numbers in both formats
    const auto half = static_cast<uint16_t>(0x3C00 + (i * 7919) % 0x300);
    std::memcpy(memory + i, &half, 2);
  }
  std::vector<KeyBlock> blocks;
  for (int64_t i = 0; i < layers * pages; ++i)
    blocks.push_back(page.block(memory + static_cast<size_t>(i) * page_bytes));
  AttentionSequence one{.first_row = 0, .n_queries = 1, .first_position = context - 1, .blocks = blocks.data()};
  AttentionArgs args = c.args().forward;
  page.describe(args);
  args.sequences = std::span(&one, 1);
  const cpu::PeakKernels& peaks = cpu::pick(cpu::portable::peak_kernels, cpu::avx2::peak_kernels,
                                            cpu::avx512::peak_kernels, cpu::avx512_bf16::peak_kernels);
  const int64_t chunk = static_cast<int64_t>(pool.bytes()) / 64 / 4096 * 4096;
  const auto read_seconds = [&] {  // the same memory, by a loop that does nothing else
    const double start = now();
    parallel_for(64, [&](int64_t i) { benchmark::DoNotOptimize(peaks.read(memory + i * chunk, chunk)); });
    return (now() - start) / static_cast<double>(64 * chunk);
  };
  int64_t layer = 0;
  std::vector<double> times, reads;
  for (auto _ : state) {
    reads.push_back(read_seconds());
    constexpr int kRepeats = 8;  // the clock ticks in microseconds
    const double start = now();
    for (int i = 0; i < kRepeats; ++i) {
      one.blocks = blocks.data() + layer++ % layers * pages;
      attention_paged(args);
    }
    times.push_back((now() - start) / kRepeats);
  }
  std::sort(times.begin(), times.end());
  std::sort(reads.begin(), reads.end());
  const double best = times[0], median = times[times.size() / 2];
  state.counters["best_us"] = best * 1e6;
  const double bytes =
      static_cast<double>(context * page.elements / kKeyBlock) * static_cast<double>(dtype_bytes(dtype));
  state.counters["best_GB/s"] = bytes / best * 1e-9;
  state.counters["median_GB/s"] = bytes / median * 1e-9;
  state.counters["of_read_%"] = 100 * bytes / median * reads[reads.size() / 2];
  state.SetLabel(std::string(cpu::level_name(cpu::active_level())) + " " +
                 std::string(precision_name(shape.precision)) + " " + std::to_string(thread_count()) + " threads");
}

const int kRegistered = [] {
  struct Named {
    const char* name;
    AttentionShape shape;
  };
  const std::vector<int64_t> four(4, 512), eight(8, 256);
  const Named shapes[] = {
      {"nano", {.n_heads = 4, .d_k = 32, .d_shared = 16, .d_v = 32, .lengths = eight}},
      {"micro", {.n_heads = 6, .d_k = 64, .d_shared = 32, .d_v = 64, .lengths = four}},
      {"small", {.n_heads = 16, .d_k = 64, .d_shared = 32, .d_v = 64, .lengths = {512}}},
      {"v3_16_of_128_heads", {.n_heads = 16, .d_k = 128, .d_shared = 64, .d_v = 128, .lengths = {512}}},
      {"nano_documents", {.n_heads = 4, .d_k = 32, .d_shared = 16, .d_v = 32, .lengths = {50, 100, 150, 200, 12, 256}}},
      {"nano_absorbed", {.absorbed = true, .n_heads = 4, .d_k = 64, .d_shared = 16, .d_v = 64, .lengths = eight}},
      {"v2_lite_absorbed", {.absorbed = true, .n_heads = 16, .d_k = 512, .d_shared = 64, .d_v = 512, .lengths = {64}}},
      {"v3_absorbed_8_of_128_heads",
       {.absorbed = true, .n_heads = 8, .d_k = 512, .d_shared = 64, .d_v = 512, .lengths = {512}}},
  };
  for (const Precision precision : {Precision::bf16, Precision::f32}) {
    for (const Named& named : shapes) {
      AttentionShape shape = named.shape;
      shape.precision = precision;
      const std::string name = std::string(named.name) + "/" + std::string(precision_name(precision));
      benchmark::RegisterBenchmark(("attention/" + name).c_str(), forward, shape);
      benchmark::RegisterBenchmark(("attention_grad/" + name).c_str(), backward, shape);
      for (const int64_t context : {int64_t{128}, int64_t{1024}, int64_t{4096}})
        benchmark::RegisterBenchmark(("attention_decode_" + std::to_string(context) + "/" + name).c_str(), decode,
                                     shape, context);
    }
  }
  return 0;
}();

}  // namespace
}  // namespace nuri
