// Log-sum-exp and the gradient of the cross entropy over a vocabulary: bytes that must move, as a share of a copy loop.
#include "ops/cross_entropy.h"
#include "ops/op_bench_support.h"

namespace nuri::bench {
namespace {

struct LogitShape {
  const char* name;
  int64_t n_rows, vocab;
};

void lse_of_rows(benchmark::State& state, const LogitShape& s) {
  const Tensor z = filled({s.n_rows, s.vocab}), lse = filled({s.n_rows});
  measure_bytes(state, static_cast<double>(z.bytes()), [&] {
    kernels().log_sum_exp({s.n_rows, s.vocab, z.data<float>(), s.vocab, 1.0f, lse.data<float>()});
  });
}

void gradient_of_rows(benchmark::State& state, const LogitShape& s) {
  const Tensor z = filled({s.n_rows, s.vocab}), lse = filled({s.n_rows}), weights = filled({s.n_rows});
  const std::vector<int32_t> targets(static_cast<size_t>(s.n_rows), 3);
  for (int64_t r = 0; r < s.n_rows; ++r) weights.data<float>()[r] = 1;
  measure_bytes(state, static_cast<double>(2 * z.bytes()), [&] {
    kernels().cross_entropy_grad(
        {s.n_rows, s.vocab, z.data<float>(), s.vocab, lse.data<float>(), targets.data(), weights.data<float>()});
  });
}

[[maybe_unused]] const bool kRegistered = [] {
  for (const LogitShape& s : {LogitShape{"chunk", 256, 16384}, LogitShape{"row", 1, 129280}}) {
    benchmark::RegisterBenchmark((std::string("log_sum_exp/") + s.name).c_str(), lse_of_rows, s)->UseRealTime();
    benchmark::RegisterBenchmark((std::string("cross_entropy_grad/") + s.name).c_str(), gradient_of_rows, s)
        ->UseRealTime();
  }
  return true;
}();

}  // namespace
}  // namespace nuri::bench
