// Embedding rows and their gradient: bytes that must move, as a share of a copy loop.
#include "ops/embedding.h"
#include "ops/op_bench_support.h"

namespace nuri::bench {
namespace {

constexpr int64_t kVocab = 16384;

std::vector<int32_t> scattered_ids(int64_t n) {
  std::vector<int32_t> ids(static_cast<size_t>(n));
  for (int64_t t = 0; t < n; ++t) ids[static_cast<size_t>(t)] = static_cast<int32_t>(t * 7919 % kVocab);
  return ids;
}

[[maybe_unused]] const bool kForward = register_rows("embedding", [](benchmark::State& state, int64_t n, int64_t d) {
  const Tensor table = filled({kVocab, d}), y = filled({n, d});
  const std::vector<int32_t> ids = scattered_ids(n);
  const EmbeddingArgs args{n, d, kVocab, ids.data(), table.raw(), DType::f32, y.data<float>()};
  measure_bytes(state, static_cast<double>(2 * y.bytes()), [&] { kernels().embedding(args); });
});

[[maybe_unused]] const bool kBackward =
    register_rows("embedding_grad", [](benchmark::State& state, int64_t n, int64_t d) {
      const Tensor table = filled({kVocab, d}), dy = filled({n, d});
      const std::vector<int32_t> ids = scattered_ids(n);
      const EmbeddingGradArgs args{n, d, kVocab, ids.data(), dy.data<float>(), table.data<float>()};
      measure_bytes(state, static_cast<double>(3 * dy.bytes()), [&] { kernels().embedding_grad(args); });
    });

}  // namespace
}  // namespace nuri::bench
