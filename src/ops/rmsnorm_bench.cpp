// RMSNorm, forward and backward: bytes that must move, as a share of a copy loop.
#include "ops/op_bench_support.h"
#include "ops/rmsnorm.h"

namespace nuri::bench {
namespace {

[[maybe_unused]] const bool kForward = register_rows("rmsnorm", [](benchmark::State& state, int64_t n, int64_t d) {
  const Tensor x = filled({n, d}), g = filled({d}), y = filled({n, d}), r = filled({n});
  const RmsNormArgs args{n, d, x.data<float>(), d, g.raw(), DType::f32, 1e-6f, y.data<float>(), d, r.data<float>()};
  measure_bytes(state, static_cast<double>(2 * x.bytes()), [&] { kernels().rmsnorm(args); });
});

[[maybe_unused]] const bool kBackward =
    register_rows("rmsnorm_grad", [](benchmark::State& state, int64_t n, int64_t d) {
      const Tensor x = filled({n, d}), g = filled({d}), dy = filled({n, d}), dx = filled({n, d}), r = filled({n}),
                   dg = filled({d});
      const RmsNormGradArgs args{
          n, d,     x.data<float>(), d, g.raw(), DType::f32, r.data<float>(), dy.data<float>(), d, dx.data<float>(),
          d, false, dg.data<float>()};
      measure_bytes(state, static_cast<double>(3 * x.bytes()), [&] { kernels().rmsnorm_grad(args); });
    });

}  // namespace
}  // namespace nuri::bench
