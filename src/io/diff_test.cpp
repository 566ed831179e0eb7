#include "io/diff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/test_support.h"

namespace nuri {
namespace {

ModelDiff diff_of(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  const test::TempDir dir;
  write_safetensors(dir.path() / "a.safetensors", a);
  write_safetensors(dir.path() / "b.safetensors", b);
  return diff_weights(ModelFiles(dir.path() / "a.safetensors"), ModelFiles(dir.path() / "b.safetensors"));
}

Tensor floats(std::vector<float> values) { return Tensor::from_floats({static_cast<int64_t>(values.size())}, values); }

TEST(Diff, NumbersInNamesCountAsNumbers) {
  std::vector<std::string> names{"l.10.a", "l.2.b", "l.2.a", "l.02.a", "l", "k.3"};
  std::sort(names.begin(), names.end(), natural_less);
  EXPECT_EQ(names, (std::vector<std::string>{"k.3", "l", "l.02.a", "l.2.a", "l.2.b", "l.10.a"}));
}

TEST(Diff, EqualBitsAreEqual) {
  const std::vector<NamedTensor> tensors{{"x", floats({1, NAN, -0.0f})}, {"y", floats({})}};
  EXPECT_TRUE(diff_of(tensors, tensors).differences.empty());
}

TEST(Diff, FindsFirstAndLargest) {
  const ModelDiff diff =
      diff_of({{"l.10", floats({1, 2, 4})}, {"l.2", floats({100, 0, 1})}, {"same", floats({5})}},
              {{"l.10", floats({1, 3, 4})}, {"l.2", floats({101, -0.0f, 1})}, {"same", floats({5})}});
  EXPECT_EQ(diff.n_tensors, 3);
  ASSERT_EQ(diff.differences.size(), 2u);
  EXPECT_EQ(diff.differences[0].name, "l.2");
  EXPECT_EQ(diff.differences[0].n_different, 2);  // +0 and -0 are other bits
  EXPECT_EQ(diff.differences[0].largest, 1);
  EXPECT_EQ(diff.differences[1].first_index, 1);
  EXPECT_EQ(diff.largest()->name, "l.10");  // 1 of 4 against 1 of 100
}

TEST(Diff, KindsOfDifference) {
  using Kind = TensorDifference::Kind;
  Tensor half = Tensor::zeros({2}, DType::bf16), ids = Tensor::zeros({2}, DType::i64),
         other = Tensor::zeros({2}, DType::i64);
  half.span<Bf16>()[1].bits = 0x3F80;
  other.span<int64_t>()[1] = 7;
  const ModelDiff diff =
      diff_of({{"a", floats({1})}, {"s", floats({1, 2})}, {"t", half}, {"i", ids}, {"n", floats({1})}},
              {{"b", floats({1})}, {"s", floats({1})}, {"t", floats({0, 1})}, {"i", other}, {"n", floats({NAN})}});
  std::vector<Kind> kinds;
  for (const TensorDifference& d : diff.differences) kinds.push_back(d.kind);
  EXPECT_EQ(kinds,
            (std::vector<Kind>{Kind::only_in_a, Kind::only_in_b, Kind::values, Kind::values, Kind::shape, Kind::type}));
  EXPECT_EQ(diff.differences[2].first_index, 1);
  EXPECT_EQ(diff.differences[3].largest, HUGE_VAL);
  EXPECT_EQ(diff.differences[5].n_different, 0);  // same values in another type
}

TEST(Diff, TrainedWeightsDifferFromTheFirst) {
  NURI_SHARED_OR_SKIP(shared);
  const ModelFiles released(shared / "golden" / "deepseek_v3"), saved(shared / "golden" / "deepseek_v3_saved");
  EXPECT_TRUE(diff_weights(released, released).differences.empty());
  const ModelDiff diff = diff_weights(released, saved);
  for (const TensorDifference& d : diff.differences) {
    if (d.kind != TensorDifference::Kind::type) continue;
    EXPECT_LE(d.largest, d.scale / 256) << d.name;  // one rounding to BF16
  }
  DeepseekV3Config other = read_config(released.directory() / "config.json");
  other.d_ff = 7;
  EXPECT_EQ(diff_configs(read_config(released.directory() / "config.json"), other),
            std::vector<std::string>{"d_ff: 136, 7"});
}

}  // namespace
}  // namespace nuri
