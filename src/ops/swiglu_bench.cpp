// SwiGLU, forward and backward: bytes that must move, as a share of a copy loop (the sigmoid costs more than they do
// where the rows lie in the caches).
#include "ops/op_bench_support.h"
#include "ops/swiglu.h"

namespace nuri::bench {
namespace {

[[maybe_unused]] const bool kForward = register_rows("swiglu", [](benchmark::State& state, int64_t n, int64_t d) {
  const Tensor gu = filled({n, 2 * d}), h = filled({n, d});
  measure_bytes(state, static_cast<double>(gu.bytes() + h.bytes()), [&] {
    kernels().swiglu({n, d, gu.data<float>(), h.data<float>()});
  });
});

[[maybe_unused]] const bool kBackward = register_rows("swiglu_grad", [](benchmark::State& state, int64_t n, int64_t d) {
  const Tensor gu = filled({n, 2 * d}), dh = filled({n, d}), dgu = filled({n, 2 * d});
  measure_bytes(state, static_cast<double>(2 * gu.bytes() + dh.bytes()), [&] {
    kernels().swiglu_grad({n, d, gu.data<float>(), dh.data<float>(), dgu.data<float>()});
  });
});

}  // namespace
}  // namespace nuri::bench
