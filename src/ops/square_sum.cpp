#include "ops/square_sum.h"

#include <algorithm>

#include "base/x1.h"

namespace nuri {

namespace reference {
void square_sum(const SquareSumArgs& a) {
  double sum = 0;
  for (int64_t begin = 0; begin < a.n; begin += kSquareSumBlock) {
    const float* x = a.x + begin;
    const int64_t n = std::min(kSquareSumBlock, a.n - begin);
    sum += static_cast<double>(x1::row_sum<float>(n, [&](int64_t i) { return x[i] * x[i]; }));
  }
  *a.sum = sum;
}
}  // namespace reference

double square_sum(const Tensor& x) {
  NURI_ASSERT(x.contiguous());
  double sum = 0;
  run(kernels().square_sum, reference::square_sum, SquareSumArgs{x.size(), x.data<float>(), &sum});
  return sum;
}

}  // namespace nuri
