// A step of AdamW with the BF16 copy: bytes that must move, as a share of a copy loop.
#include "ops/adamw.h"
#include "ops/op_bench_support.h"

namespace nuri::bench {
namespace {

[[maybe_unused]] const bool kStep = register_rows("adamw", [](benchmark::State& state, int64_t n, int64_t d) {
  const Tensor p = filled({n, d}), m = filled({n, d}), v = Tensor::zeros({n, d}), grad = filled({n, d}),
               copy = Tensor::empty({n, d}, DType::bf16);
  AdamWArgs args;
  args.n = p.size();
  args.p = p.data<float>(), args.m = m.data<float>(), args.v = v.data<float>();
  args.grad = grad.data<float>(), args.copy = copy.data<Bf16>();
  args.lr = 1e-4f, args.beta1 = 0.9f, args.beta2 = 0.95f, args.eps = 1e-8f, args.decay = 0.1f;
  args.bias1 = adamw_bias(0.9, 10), args.bias2 = adamw_bias(0.95, 10);
  measure_bytes(state, static_cast<double>(7 * p.bytes() + copy.bytes()), [&] { kernels().adamw({&args, 1}); });
});

}  // namespace
}  // namespace nuri::bench
