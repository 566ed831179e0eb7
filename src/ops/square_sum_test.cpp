#include "ops/square_sum.h"

#include "ops/bounds.h"
#include "ops/op_test_support.h"

namespace nuri {
namespace {

using namespace test;

/// The two words of a double, as floats whose bits are compared.
std::vector<float> words(double x) {
  float w[2];
  std::memcpy(w, &x, sizeof w);
  return {w[0], w[1]};
}

TEST(SquareSum, KernelsEqualReferenceAndDouble) {
  for (const int64_t n : {0, 1, 7, 63, 64, 65, 1023, 1025, 4095, 4096, 4097, 100000}) {
    const std::vector<float> x = random_floats(n, 1);
    double found = 0, exact = 0;
    expect_same_bits("square_sum", [&](bool reference) {
      (reference ? reference::square_sum : kernels().square_sum)({n, x.data(), &found});
      return words(found);
    });
    for (const float v : x) exact += double(v) * double(v);
    EXPECT_NEAR(found, exact, (bounds::row_sum(kSquareSumBlock) + bounds::kFp32) * exact);
    EXPECT_EQ(square_sum(Tensor::from_floats({n}, x)), found);
  }
}

}  // namespace
}  // namespace nuri
