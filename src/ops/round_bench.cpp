// Rounding to BF16, and the addition of the residual stream: bytes that must move, as a share of a copy loop.
#include "ops/op_bench_support.h"
#include "ops/round.h"

namespace nuri::bench {
namespace {

[[maybe_unused]] const bool kRound = register_rows("round", [](benchmark::State& state, int64_t n, int64_t d) {
  const Tensor x = filled({n, d}), y = Tensor::empty({n, d}, DType::bf16);
  measure_bytes(state, static_cast<double>(x.bytes() + y.bytes()), [&] { round_bf16(x, y); });
});

[[maybe_unused]] const bool kAdd = register_rows("add", [](benchmark::State& state, int64_t n, int64_t d) {
  const Tensor a = filled({n, d}), b = filled({n, d}), y = filled({n, d});
  measure_bytes(state, static_cast<double>(3 * a.bytes()), [&] {
    kernels().add({a.size(), a.data<float>(), b.data<float>(), y.data<float>()});
  });
});

}  // namespace
}  // namespace nuri::bench
