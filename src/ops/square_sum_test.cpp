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
      const SquareSumArgs args{n, x.data(), &found};
      if (reference)
        reference::square_sum(args);
      else
        kernels().square_sum({&args, 1});
      return words(found);
    });
    for (const float v : x) exact += double(v) * double(v);
    EXPECT_NEAR(found, exact, (bounds::row_sum(kSquareSumBlock) + bounds::kFp32) * exact);
    EXPECT_EQ(square_sum(Tensor::from_floats({n}, x)), found);
  }
}

TEST(SquareSum, TensorsOfOneCallAreSummedEachByItself) {
  std::vector<Tensor> tensors;
  std::vector<double> alone;
  for (const int64_t n : {5000, 0, 1, 4097, 20000}) {
    tensors.push_back(Tensor::from_floats({n}, random_floats(n, static_cast<uint64_t>(n))));
    alone.push_back(square_sum(tensors.back()));
  }
  EXPECT_EQ(square_sums(tensors), alone);
}

}  // namespace
}  // namespace nuri
