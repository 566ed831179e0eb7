#include "ops/round.h"

#include "base/x1.h"

namespace nuri {

namespace reference {
void round(const RoundArgs& a) {
  for (int64_t i = 0; i < a.n; ++i) a.y[i].bits = x1::to_bf16(a.x[i]);
}
}  // namespace reference

void round_bf16(const Tensor& x, const Tensor& y) {
  NURI_ASSERT(x.contiguous() && y.contiguous() && x.size() == y.size());
  run(kernels().round, reference::round, RoundArgs{x.size(), x.data<float>(), y.data<Bf16>()});
}

}  // namespace nuri
