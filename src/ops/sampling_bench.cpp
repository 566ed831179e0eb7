// Drawing one token from a row of logits: microseconds of a draw.
#include "ops/op_bench_support.h"
#include "ops/sampling.h"

namespace nuri::bench {
namespace {

void draw(benchmark::State& state, const SamplerOptions& options, int64_t vocab) {
  Tensor z = filled({vocab});
  for (int64_t i = 0; i < vocab; ++i) z.data<float>()[i] *= 20;
  uint64_t position = 0;
  measure_bytes(state, static_cast<double>(z.bytes()),
                [&] { benchmark::DoNotOptimize(sample(z.span<float>(), options, 0, position++)); });
}

[[maybe_unused]] const bool kRegistered = [] {
  SamplerOptions greedy, plain, top_k, top_p;
  greedy.temperature = 0;
  top_k.top_k = 50;
  top_p.top_p = 0.9f;
  for (const int64_t vocab : {int64_t{16384}, int64_t{129280}}) {
    const std::string end = "/" + std::to_string(vocab);
    benchmark::RegisterBenchmark(("sample/greedy" + end).c_str(), draw, greedy, vocab);
    benchmark::RegisterBenchmark(("sample/temperature" + end).c_str(), draw, plain, vocab);
    benchmark::RegisterBenchmark(("sample/top_k" + end).c_str(), draw, top_k, vocab);
    benchmark::RegisterBenchmark(("sample/top_p" + end).c_str(), draw, top_p, vocab);
  }
  return true;
}();

}  // namespace
}  // namespace nuri::bench
