#include "ops/round.h"

#include "ops/op_test_support.h"
#include "ops/residual.h"

namespace nuri {
namespace {

using namespace test;

TEST(Round, KernelsEqualReference) {
  for (const int64_t n : {0, 1, 7, 63, 64, 65, 1023, 1025, 40001}) {
    std::vector<float> x = random_floats(n, 1);
    for (size_t i = 0; i < x.size(); i += 3) {  // every exponent, halfway cases, infinities, NaN
      const uint32_t word = static_cast<uint32_t>(i) * 2654435761u;
      x[i] = std::bit_cast<float>(i % 2 ? word : (word & 0xFFFF0000u) | 0x8000u);
    }
    expect_same_bits("round", [&](bool reference) {
      std::vector<Bf16> y(x.size());
      (reference ? reference::round : kernels().round)({n, x.data(), y.data()});
      std::vector<float> wide;
      for (const Bf16 b : y) wide.push_back(x1::from_bf16(b.bits));
      return wide;
    });
  }
}

TEST(Round, EdgeValues) {
  const float x[] = {1.0f, -0.0f, 1.00390625f, 1.01171875f, 1e-39f, -1e-39f, INFINITY, std::nanf(""), 3.4e38f};
  const uint16_t expected[] = {0x3F80, 0x8000, 0x3F80, 0x3F82, 0x0000, 0x8000, 0x7F80, 0x7FC0, 0x7F80};
  Tensor y = Tensor::empty({9}, DType::bf16);
  round_bf16(Tensor::from_floats({9}, x), y);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(y.data<Bf16>()[i].bits, expected[i]) << x[i];
}

TEST(Add, KernelsEqualReference) {
  for (const int64_t n : {0, 1, 7, 63, 64, 65, 1023, 1025, 40001}) {
    const std::vector<float> a = random_floats(n, 1), b = random_floats(n, 2);
    expect_same_bits("add", [&](bool reference) {
      std::vector<float> y = a;  // in place
      (reference ? reference::add : kernels().add)({n, y.data(), b.data(), y.data()});
      return y;
    });
  }
}

}  // namespace
}  // namespace nuri
