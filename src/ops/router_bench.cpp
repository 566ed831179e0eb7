// The router, forward and backward, of 2,048 tokens: bytes of logits, scores and gradients, as a share of a copy loop.
#include "ops/op_bench_support.h"
#include "ops/router.h"

namespace nuri::bench {
namespace {

struct Preset {
  const char* name;
  int64_t experts, active, groups, kept;
};

void forward(benchmark::State& state, const Preset& p) {
  const int64_t n = 2048;
  const Tensor logits = filled({n, p.experts}), bias = filled({p.experts}), scores = filled({n, p.experts}),
               weights = filled({n, p.active}), experts = Tensor::empty({n, p.active}, DType::i32);
  const RouterArgs args{n,
                        p.experts,
                        p.active,
                        p.groups,
                        p.kept,
                        true,
                        2.5f,
                        logits.data<float>(),
                        bias.data<float>(),
                        scores.data<float>(),
                        experts.data<int32_t>(),
                        weights.data<float>()};
  measure_bytes(state, static_cast<double>(2 * logits.bytes()), [&] { kernels().router(args); });
}

void backward(benchmark::State& state, const Preset& p) {
  const int64_t n = 2048;
  const Tensor scores = filled({n, p.experts}), balance = filled({1, p.experts}), dweights = filled({n, p.active}),
               dlogits = filled({n, p.experts}), experts = Tensor::zeros({n, p.active}, DType::i32);
  for (int64_t i = 0; i < scores.size(); ++i) scores.data<float>()[i] += 0.6f;
  const std::vector<int32_t> row_of(static_cast<size_t>(n), 0);
  const RouterGradArgs args{n,
                            p.experts,
                            p.active,
                            true,
                            2.5f,
                            scores.data<float>(),
                            experts.data<int32_t>(),
                            dweights.data<float>(),
                            balance.data<float>(),
                            row_of.data(),
                            dlogits.data<float>()};
  measure_bytes(state, static_cast<double>(2 * scores.bytes()), [&] { kernels().router_grad(args); });
}

[[maybe_unused]] const bool kRegistered = [] {
  for (const Preset& p : {Preset{"micro", 16, 4, 1, 1}, Preset{"v3", 256, 8, 8, 4}}) {
    benchmark::RegisterBenchmark((std::string("router/") + p.name).c_str(), forward, p)->UseRealTime();
    benchmark::RegisterBenchmark((std::string("router_grad/") + p.name).c_str(), backward, p)->UseRealTime();
  }
  return true;
}();

}  // namespace
}  // namespace nuri::bench
