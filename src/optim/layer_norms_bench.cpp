// What watching the layers of a model of the size of nano costs a step: 240 matrices of 64 x 192, a head of 4,096 x
// 192.
#include <benchmark/benchmark.h>

#include <memory>

#include "optim/layer_norms.h"

namespace nuri {
namespace {

void layer_norms(benchmark::State& state) {
  std::vector<std::unique_ptr<Weight>> weights;
  std::vector<Parameter*> parameters;
  auto add = [&](std::string name, Shape shape) {
    weights.push_back(std::make_unique<Weight>(std::vector<Weight::Part>{{std::move(name), shape}}, DType::f32, true));
    weights.back()->master.fill_zero();
    parameters.push_back(&weights.back()->parameters[0]);
  };
  add("lm_head.weight", {4096, 192});
  for (int64_t i = 0; i < 240; ++i) add("model.layers." + std::to_string(i % 5) + ".x.weight", {64, 192});
  LayerNorms norms(parameters, 5);
  for (auto _ : state) {
    norms.before();
    benchmark::DoNotOptimize(norms.updates());
  }
}
BENCHMARK(layer_norms)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace nuri
