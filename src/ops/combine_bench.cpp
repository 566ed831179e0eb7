// Experts back to tokens, four experts a token: bytes that must move, as a share of a copy loop.
#include "ops/combine.h"
#include "ops/op_bench_support.h"

namespace nuri::bench {
namespace {

constexpr int64_t kActive = 4, kExperts = 16;

Dispatch spread(int64_t n) {
  Tensor experts = Tensor::empty({n, kActive}, DType::i32);
  for (int64_t t = 0; t < n; ++t)
    for (int64_t j = 0; j < kActive; ++j)
      experts.data<int32_t>()[t * kActive + j] = static_cast<int32_t>(j * 4 + (t * 7 + j) % 4);
  return dispatch(experts, kExperts);
}

[[maybe_unused]] const bool kForward = register_rows("combine", [](benchmark::State& state, int64_t n, int64_t d) {
  const Dispatch order = spread(n);
  const Tensor f = filled({n * kActive, d}), w = filled({n, kActive}), shared = filled({n, d}), y = filled({n, d});
  measure_bytes(state, static_cast<double>(f.bytes() + 2 * y.bytes()), [&] {
    kernels().combine(
        {n, d, kActive, shared.data<float>(), f.data<float>(), order.slots.data(), w.data<float>(), y.data<float>()});
  });
});

[[maybe_unused]] const bool kBackward =
    register_rows("combine_grad", [](benchmark::State& state, int64_t n, int64_t d) {
      const Dispatch order = spread(n);
      const Tensor f = filled({n * kActive, d}), w = filled({n, kActive}), dy = filled({n, d}),
                   df = filled({n * kActive, d}), dw = filled({n, kActive});
      measure_bytes(state, static_cast<double>(2 * f.bytes() + dy.bytes()), [&] {
        kernels().combine_grad({n, d, kActive, f.data<float>(), order.slots.data(), w.data<float>(), dy.data<float>(),
                                df.data<float>(), dw.data<float>()});
      });
    });

[[maybe_unused]] const bool kGather = register_rows("gather_grad", [](benchmark::State& state, int64_t n, int64_t d) {
  const Dispatch order = spread(n);
  const Tensor dxs = filled({n * kActive, d}), dx = filled({n, d});
  measure_bytes(state, static_cast<double>(dxs.bytes() + dx.bytes()), [&] {
    kernels().gather_grad({n, d, kActive, dxs.data<float>(), order.slots.data(), dx.data<float>()});
  });
});

}  // namespace
}  // namespace nuri::bench
