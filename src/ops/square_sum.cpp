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

std::vector<double> square_sums(std::span<const Tensor> tensors) {
  std::vector<double> sums(tensors.size(), 0.0);
  std::vector<SquareSumArgs> items;
  for (size_t i = 0; i < tensors.size(); ++i) {
    NURI_ASSERT(tensors[i].contiguous());
    items.push_back({tensors[i].size(), tensors[i].data<float>(), &sums[i]});
  }
  run_all<SquareSumArgs>(kernels().square_sum, reference::square_sum, items);
  return sums;
}

double square_sum(const Tensor& x) { return square_sums({&x, 1})[0]; }

}  // namespace nuri
