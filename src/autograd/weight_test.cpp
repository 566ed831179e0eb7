// A weight packed part by part from elsewhere equals one packed from its stacked values.
#include "autograd/weight.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/philox.h"
#include "base/test_support.h"
#include "base/x1.h"

namespace nuri {
namespace {

void fill(const Tensor& t) {
  const Philox random(1, Purpose::test, static_cast<uint64_t>(t.size()));
  for (int64_t i = 0; i < t.size(); ++i) {
    const float x = random.normal(static_cast<uint64_t>(i));
    if (t.dtype() == DType::f32)
      t.data<float>()[i] = x;
    else
      t.data<Bf16>()[i].bits = x1::to_bf16(x);
  }
}

std::vector<Weight::Part> parts_of(const std::vector<int64_t>& rows, int64_t in) {
  std::vector<Weight::Part> parts;
  for (const int64_t r : rows) parts.push_back({"part" + std::to_string(parts.size()), {r, in}});
  return parts;
}

/// A copy of each part in memory of its own, as tensors of a file are.
void expect_same_panels(const std::vector<int64_t>& rows, int64_t in, DType dtype, Precision precision) {
  Weight stacked(parts_of(rows, in), dtype, false), apart(parts_of(rows, in), dtype, false);
  fill(stacked.value);
  std::vector<Tensor> copies;
  Weight::Source source{.weight = &apart};
  for (const Parameter& p : stacked.parameters) {
    copies.push_back(p.value.clone());
    source.parts.push_back({copies.back().raw(), dtype, in, true, nullptr});
    source.rows.push_back(p.value.dim(0));
  }
  ASSERT_TRUE(apart.parts_begin_panels());
  Weight::pack_from({&source, 1}, precision);
  apart.drop_values();
  copies.clear();
  EXPECT_FALSE(apart.value.defined());
  EXPECT_EQ(apart.out(), stacked.out());
  EXPECT_EQ(apart.in(), in);
  const PackedMatrix &a = stacked.packed_forward(precision), &b = apart.packed_forward(precision);
  ASSERT_EQ(a.k, b.k);
  ASSERT_EQ(a.n, b.n);
  EXPECT_EQ(std::memcmp(a.data, b.data, packed_bytes(precision, a.k, a.n)), 0)
      << rows.size() << " parts, width " << in << ", " << dtype_name(dtype) << " in " << precision_name(precision);
}

TEST(Weight, PackedByPartsEqualsPackedWhole) {
  const std::vector<std::vector<int64_t>> stacks{{1}, {16}, {37}, {16, 5}, {32, 16, 17}, {48, 48}};
  for (const auto& rows : stacks)
    for (const int64_t in : {1, 2, 17, 64})  // odd widths end in a pad of -0
      for (const DType dtype : {DType::f32, DType::bf16})
        for (const Precision precision : {Precision::f32, Precision::bf16})
          expect_same_panels(rows, in, dtype, precision);
}

TEST(Weight, PartsBeginPanelsAfterWholePanelsOnly) {
  const auto begin = [](const std::vector<int64_t>& rows) {
    return Weight(parts_of(rows, 3), DType::f32, false).parts_begin_panels();
  };
  EXPECT_TRUE(begin({5}));
  EXPECT_TRUE(begin({16, 5}));
  EXPECT_TRUE(begin({32, 16, 1}));
  EXPECT_FALSE(begin({5, 16}));
  EXPECT_FALSE(begin({16, 5, 16}));
  EXPECT_FALSE(begin({8, 16}));
}

}  // namespace
}  // namespace nuri
