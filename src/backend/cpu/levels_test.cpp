// Every level that this CPU has gives the bits of base/x1.h: forced levels, random patterns and edges.
#include "backend/cpu/levels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "backend/cpu/elementary.h"
#include "backend/cpu/peak.h"
#include "base/philox.h"
#include "base/test_support.h"
#include "base/threads.h"
#include "base/x1.h"

namespace nuri::cpu {
namespace {

float float_of(uint32_t word) { return __builtin_bit_cast(float, word); }
uint32_t bits_of(float x) { return __builtin_bit_cast(uint32_t, x); }

const ElementaryKernels& elementary(Level level) {
  switch (level) {
    case Level::avx512_bf16:
      return avx512_bf16::elementary_kernels;
    case Level::avx512:
      return avx512::elementary_kernels;
    case Level::avx2:
      return avx2::elementary_kernels;
    case Level::portable:
      break;
  }
  return portable::elementary_kernels;
}

/// 2^20 random patterns after the edges: zeros, subnormals, the smallest and largest normal numbers, infinities, NaN,
/// the ends of exp's range with their neighbours, numbers around 1.
std::vector<float> inputs(uint64_t seed) {
  const Philox random(seed, Purpose::test);
  std::vector<float> x;
  for (const float edge : {0.0f, 1.0f, 0.5f, 2.0f, float_of(1), float_of(0x007FFFFF), 0x1p-126f, 0x1.fffffep127f,
                           std::numeric_limits<float>::infinity(), float_of(0x7FC00000), float_of(0x7F800001),
                           float_of(0x7FFFFFFF), 87.336540f, 88.722832f, 0.70710677f, 1.4142135f, 0.34657359f, 16.0f})
    for (const uint32_t step : {0u, 1u, 2u, ~0u, ~1u})
      for (const uint32_t sign : {0u, 0x80000000u}) x.push_back(float_of((bits_of(edge) + step) ^ sign));
  for (uint64_t i = 0; i < (1 << 18); ++i) {
    const auto words = random.words(i);
    x.push_back(float_of(words[0]));
    x.push_back(float_of(words[1]));
    // Patterns are mostly far from what a model sees: two of four numbers of ordinary size.
    x.push_back(float_of((words[2] & 0x807FFFFF) | (120 + words[3] % 14) << 23));
    x.push_back(random.normal(i) * 8);
  }
  return x;
}

class Levels : public testing::TestWithParam<Level> {
 protected:
  void SetUp() override {
    if (!level_available(GetParam())) GTEST_SKIP() << "this machine lacks the level " << level_name(GetParam());
  }
  template <class Scalar>
  void expect_equal(const char* name, void (*kernel)(int64_t, const float*, float*), Scalar scalar) {
    const std::vector<float> x = inputs(17);
    std::vector<float> y(x.size());
    kernel(static_cast<int64_t>(x.size()), x.data(), y.data());
    int64_t different = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const float want = scalar(x[i]);
      if (bits_of(y[i]) == bits_of(want)) continue;
      if (++different <= 5)
        ADD_FAILURE() << name << "(" << std::hexfloat << x[i] << ") is " << y[i] << ", not " << want;
    }
    EXPECT_EQ(different, 0) << name;
  }
  FlushSubnormals flush;
};

TEST_P(Levels, FunctionsEqualTheScalarOnes) {
  const ElementaryKernels& k = elementary(GetParam());
  expect_equal("exp", k.exp, [](float x) { return x1::exp(x); });
  expect_equal("log", k.log, [](float x) { return x1::log(x); });
  expect_equal("sigmoid", k.sigmoid, [](float x) { return x1::sigmoid(x); });
  expect_equal("silu", k.silu, [](float x) { return x1::silu(x); });
  expect_equal("round_bf16", k.round_bf16, [](float x) { return x1::round_bf16(x); });
}

TEST_P(Levels, SquareRootsAreIeee) {
  std::vector<float> x = inputs(18), y(x.size());
  for (float& v : x) v = std::isnan(v) ? 1.0f : std::fabs(v);
  elementary(GetParam()).sqrt(static_cast<int64_t>(x.size()), x.data(), y.data());
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(bits_of(y[i]), bits_of(x1::sqrt(x[i]))) << std::hexfloat << x[i];
}

TEST_P(Levels, FmaRoundsOnceAndFlushes) {
  const std::vector<float> a = inputs(19), b = inputs(20);
  std::vector<float> c = inputs(21), y(a.size());
  const Philox random(22, Purpose::test);
  std::vector<size_t> shuffled(a.size());  // edges meet edges: pair each element with a drawn one
  for (size_t i = 0; i < a.size(); ++i) shuffled[i] = random.below(a.size(), i);
  std::vector<float> b2(a.size()), c2(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    b2[i] = b[i % 3 == 0 ? shuffled[i] % 180 : shuffled[i]];
    c2[i] = i % 2 ? c[shuffled[i]] : float_of(bits_of(-(a[i] * b2[i])) + static_cast<uint32_t>(i / 2 % 7) - 3);
  }
  elementary(GetParam()).fma(static_cast<int64_t>(a.size()), a.data(), b2.data(), c2.data(), y.data());
  for (size_t i = 0; i < a.size(); ++i) {
    const float want = x1::fma(a[i], b2[i], c2[i]), emulated = x1::emulated_fma(a[i], b2[i], c2[i]);
    if (std::isnan(want) && std::isnan(y[i]) && std::isnan(emulated)) continue;
    ASSERT_EQ(bits_of(y[i]), bits_of(want)) << std::hexfloat << a[i] << " * " << b2[i] << " + " << c2[i];
    ASSERT_EQ(bits_of(emulated), bits_of(want)) << std::hexfloat << a[i] << " * " << b2[i] << " + " << c2[i];
  }
}

TEST_P(Levels, RowSumsEqualTheDefinition) {
  const Philox random(23, Purpose::test);
  std::vector<float> x(1000);
  for (size_t i = 0; i < x.size(); ++i) x[i] = random.normal(i) * (i % 5 ? 1.0f : 1e5f);
  for (const int64_t n : {0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000}) {
    const float want = x1::row_sum<float>(std::span<const float>(x.data(), static_cast<size_t>(n)));
    EXPECT_EQ(bits_of(elementary(GetParam()).row_sum(n, x.data())), bits_of(want)) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Levels, testing::Values(Level::portable, Level::avx2, Level::avx512, Level::avx512_bf16),
                         [](const auto& info) { return std::string(level_name(info.param)); });

TEST(LevelChoice, AForcedLevelIsUsedAndNamed) {
  const Level before = active_level();
  for (int i = 0; i < kLevels; ++i) {
    const Level level = static_cast<Level>(i);
    if (!level_available(level)) continue;
    set_active_level(level);
    EXPECT_EQ(active_level(), level);
    EXPECT_EQ(&pick(portable::elementary_kernels, avx2::elementary_kernels, avx512::elementary_kernels,
                    avx512_bf16::elementary_kernels),
              &elementary(level));
  }
  set_active_level(before);
  EXPECT_TRUE(level_available(Level::portable));
}

TEST(LevelChoice, TheFastestOfTheAvailable) {
  Level widest = Level::portable;  // of those without the dot product
  for (const Level level : {Level::avx2, Level::avx512})
    if (level_available(level)) widest = level;
  const Level with_dot = level_available(Level::avx512_bf16) ? Level::avx512_bf16 : widest;
  EXPECT_EQ(fastest_level(2.0), with_dot) << "as on a Zen 5";
  EXPECT_EQ(fastest_level(1.0), with_dot);
  EXPECT_EQ(fastest_level(0.5), widest) << "as on a Granite Rapids";
  EXPECT_EQ(fastest_level(0.0), widest);
  if (!level_available(Level::avx512_bf16)) return;
  // How fast it is here is for `nuri bench` to say; a number that no CPU has would be a broken clock or loop.
  const double speed = bf16_dot_speed();
  EXPECT_TRUE(speed > 0.01 && speed < 100) << speed;
}

TEST(Peak, IsMeasuredAtTheActiveLevel) {
  FlushSubnormals flush;
  const Peaks peaks = measure_peaks(0.2, int64_t{128} << 20);
  EXPECT_GT(peaks.fp32_gflops, 0);
  EXPECT_GE(peaks.bf16_gflops, 0.2 * peaks.fp32_gflops);
  EXPECT_GT(peaks.read_gbps, 0);
  EXPECT_GT(peaks.copy_gbps, 0);
  EXPECT_EQ(peaks.handover_ns > 0, thread_count() > 1);
  std::printf("%s: %.0f GFLOP/s FP32, %.0f BF16, %.1f GB/s read, %.1f copied, %lld MiB, %d threads\n",
              std::string(level_name(active_level())).c_str(), peaks.fp32_gflops, peaks.bf16_gflops, peaks.read_gbps,
              peaks.copy_gbps, static_cast<long long>(peaks.buffer_bytes >> 20), thread_count());
}

}  // namespace
}  // namespace nuri::cpu
