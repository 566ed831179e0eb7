// The sum of squares of a gradient: bytes that must move, as a share of a copy loop.
#include "ops/op_bench_support.h"
#include "ops/square_sum.h"

namespace nuri::bench {
namespace {

[[maybe_unused]] const bool kSum = register_rows("square_sum", [](benchmark::State& state, int64_t n, int64_t d) {
  const Tensor x = filled({n, d});
  measure_bytes(state, static_cast<double>(x.bytes()), [&] { benchmark::DoNotOptimize(square_sum(x)); });
});

}  // namespace
}  // namespace nuri::bench
