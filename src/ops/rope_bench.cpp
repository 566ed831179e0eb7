// Rotary positions in place, both pairings: bytes that must move, as a share of a copy loop.
#include <numeric>

#include "ops/op_bench_support.h"
#include "ops/rope.h"

namespace nuri::bench {
namespace {

void rotate(benchmark::State& state, int64_t n, int64_t d, bool interleaved) {
  const int64_t dim = 32;
  const Tensor x = filled({n, d});
  const RopeTable table(n, dim, 10000);
  std::vector<int32_t> positions(static_cast<size_t>(n));
  std::iota(positions.begin(), positions.end(), 0);
  const RopeArgs args{.n_tokens = n,
                      .n_heads = d / dim,
                      .dim = dim,
                      .x = x.data<float>(),
                      .x_row = d,
                      .x_head = dim,
                      .y = x.data<float>(),
                      .y_row = d,
                      .y_head = dim,
                      .positions = positions.data(),
                      .cos = table.cos.data<float>(),
                      .sin = table.sin.data<float>(),
                      .interleaved = interleaved,
                      .inverse = false};
  measure_bytes(state, static_cast<double>(2 * x.bytes()), [&] { kernels().rope(args); });
}

[[maybe_unused]] const bool kPairs =
    register_rows("rope_pairs", [](benchmark::State& state, int64_t n, int64_t d) { rotate(state, n, d, true); });
[[maybe_unused]] const bool kHalves =
    register_rows("rope_halves", [](benchmark::State& state, int64_t n, int64_t d) { rotate(state, n, d, false); });

}  // namespace
}  // namespace nuri::bench
