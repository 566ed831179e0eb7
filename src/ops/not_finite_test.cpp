// NaN and Inf are found wherever they stand, and nothing else is.
#include "ops/not_finite.h"

#include <gtest/gtest.h>

#include "ops/op_test_support.h"

namespace nuri {
namespace {

// Blocks are 1,024 elements of BF16 and 512 of FP32: sizes inside, at and above them.
constexpr int64_t kSizes[] = {1, 7, 511, 512, 513, 1023, 1024, 1025, 2049};

/// `plant` among ordinary values, at each place in turn.
template <class T, class Bits>
void expect_found_everywhere(DType dtype, std::initializer_list<Bits> plants, std::initializer_list<Bits> finite) {
  for (const int64_t n : kSizes) {
    const Tensor x = Tensor::zeros({n}, dtype);
    auto* bits = reinterpret_cast<Bits*>(x.data<T>());
    for (int64_t i = 0; i < n; ++i) bits[i] = finite.begin()[static_cast<size_t>(i) % finite.size()];
    EXPECT_EQ(find_not_finite(x), -1) << n;
    for (const Bits plant : plants)
      for (int64_t at = 0; at < n; ++at) {
        const Bits before = bits[at];
        bits[at] = plant;
        ASSERT_EQ(find_not_finite(x), at) << n << " " << plant;
        bits[at] = before;
      }
  }
}

TEST(NotFinite, IsFoundAtEachPlace) {
  // Infinities and quiet and signalling NaNs of both signs, among zeros, subnormals, ones and the largest numbers.
  expect_found_everywhere<Bf16, uint16_t>(DType::bf16, {0x7F80, 0xFF80, 0x7FC0, 0xFFFF, 0x7F81},
                                          {0x7F7F, 0xFF7F, 0x0000, 0x8000, 0x007F, 0x3F80, 0xFF00});
  expect_found_everywhere<float, uint32_t>(
      DType::f32, {0x7F800000u, 0xFF800000u, 0x7FC00000u, 0xFFFFFFFFu, 0x7F800001u},
      {0x7F7FFFFFu, 0xFF7FFFFFu, 0u, 0x80000000u, 0x007FFFFFu, 0x3F800000u, 0xFF000000u});
}

TEST(NotFinite, TheFirstOfSeveralInASliceOfColumns) {
  const Tensor x = Tensor::zeros({3, 2000});
  for (const int64_t at : {int64_t{2000 + 10}, int64_t{2000 + 1500}, int64_t{4000 + 600}, int64_t{4000 + 1999}})
    x.data<float>()[at] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(find_not_finite(x), 2010);
  EXPECT_EQ(find_not_finite(x.columns(100, 1900)), 1800 + 1400);
  EXPECT_EQ(find_not_finite(x.columns(1600, 1900)), -1);
}

}  // namespace
}  // namespace nuri
