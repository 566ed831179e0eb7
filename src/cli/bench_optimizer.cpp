// AdamW over parameters that no cache holds, beside a copy through the same memory system.
#include "base/clock.h"
#include "base/median.h"
#include "cli/bench.h"
#include "cli/machine.h"
#include "ops/adamw.h"
#include "tensor/tensor.h"

namespace nuri {

OptimizerBench bench_optimizer(const BenchOptions& o) {
  constexpr int64_t kTensors = 16, kElements = int64_t{2} << 20;  // 32 M parameters, 960 MB
  const bool with_copy = dtype_of(o) == DType::bf16;
  std::vector<Tensor> memory;
  std::vector<AdamWArgs> items;
  const auto floats = [&] {
    memory.push_back(Tensor::zeros({kElements}, DType::f32, Owner::optimizer));
    return memory.back().data<float>();
  };
  for (int64_t i = 0; i < kTensors; ++i) {
    AdamWArgs a{.n = kElements};
    a.p = floats(), a.m = floats(), a.v = floats(), a.grad = floats();
    if (with_copy) {
      memory.push_back(Tensor::zeros({kElements}, DType::bf16, Owner::optimizer));
      a.copy = memory.back().data<Bf16>();
    }
    a.lr = 1e-4f, a.beta1 = 0.9f, a.beta2 = 0.95f, a.eps = 1e-8f, a.decay = 0.1f;
    items.push_back(a);
  }
  cpu::BandwidthProbe probe;
  std::vector<double> times, copies;
  adamw(items);
  for (const double end = seconds_now() + o.seconds; times.size() < 5 || seconds_now() < end;) {
    const double begin = seconds_now();
    adamw(items);
    times.push_back(seconds_now() - begin);
    for (int i = 0; i < 4; ++i) copies.push_back(probe.copy());
  }
  OptimizerBench out;
  out.parameters = kTensors * kElements;
  out.seconds = median(times);
  out.bytes = static_cast<double>(out.parameters * (with_copy ? 30 : 28));
  out.copy_gbps = median(copies);
  return out;
}

}  // namespace nuri
