#include "base/x1.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/philox.h"
#include "base/threads.h"

namespace nuri {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

float float_of(uint32_t word) { return __builtin_bit_cast(float, word); }
double double_of(uint64_t word) { return __builtin_bit_cast(double, word); }
uint32_t bits_of(float x) { return __builtin_bit_cast(uint32_t, x); }
uint64_t bits_of(double x) { return __builtin_bit_cast(uint64_t, x); }

/// |y - exact| in units of the last place of T at the exact value. Long double: not touched by flush-to-zero.
template <class T>
double ulps(T y, long double exact) {
  if (static_cast<long double>(y) == exact) return 0;
  if (!std::isfinite(y)) return HUGE_VAL;
  const int exponent = std::ilogb(exact) - (std::numeric_limits<T>::digits - 1);
  return static_cast<double>(std::fabs(std::ldexp(static_cast<long double>(y) - exact, -exponent)));
}

/// The largest error of f over the inputs, which must stay within 2 ulp; inputs and results outside the normal range
/// are left out.
template <class T, class F, class Exact>
void expect_within_2_ulps(const char* name, int64_t n, auto input, F f, Exact exact) {
  double worst = 0;
  T at = 0;
  for (int64_t i = 0; i < n; ++i) {
    const T x = input(i);
    if (!std::isnormal(x)) continue;
    const long double want = exact(static_cast<long double>(x));
    const long double size = std::fabs(want);
    if (!(size >= std::numeric_limits<T>::min() && size <= std::numeric_limits<T>::max())) continue;
    const double error = ulps<T>(f(x), want);
    if (error > worst) worst = error, at = x;
  }
  EXPECT_LE(worst, 2.0) << name << " at " << static_cast<double>(at);
  EXPECT_GT(worst, 0.0) << name << ": nothing was compared";
  std::printf("%s: at most %.3f ulp (at %.17g)\n", name, worst, static_cast<double>(at));
}

long double sigmoid_exact(long double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }

struct X1 : testing::Test {
  FlushSubnormals flush;
  Philox random{1, Purpose::test};
  auto any_float(int64_t n) {  // dense: every n-th pattern of 2^32
    const auto step = (uint64_t{1} << 32) / static_cast<uint64_t>(n);
    return [step](int64_t i) { return float_of(static_cast<uint32_t>(static_cast<uint64_t>(i) * step + step / 2)); };
  }
  auto between(double low, double high, uint64_t stream) {
    return [=, r = Philox(7, Purpose::test, stream)](int64_t i) {
      return low + (high - low) * r.uniform_double(static_cast<uint64_t>(i));
    };
  }
  auto floats_between(double low, double high, uint64_t stream) {
    return [f = between(low, high, stream)](int64_t i) { return static_cast<float>(f(i)); };
  }
};

TEST_F(X1, FloatFunctionsAreWithinTwoUlps) {
  constexpr int64_t kN = 1 << 20;
  const auto check = [&](const char* name, auto input, auto f, auto exact) {
    expect_within_2_ulps<float>(name, kN, input, f, exact);
  };
  const auto exp = [](float x) { return x1::exp(x); };
  const auto exp_exact = [](long double x) { return std::exp(x); };
  check("exp", floats_between(-87.3365, 88.7228, 1), exp, exp_exact);
  check("exp near 0", floats_between(-0.4, 0.4, 2), exp, exp_exact);
  check("exp, all patterns", any_float(kN), exp, exp_exact);
  const auto log = [](float x) { return x1::log(x); };
  const auto log_exact = [](long double x) { return std::log(x); };
  check("log, all patterns", any_float(kN), log, log_exact);
  check("log near 1", floats_between(0.5, 2, 3), log, log_exact);
  const auto sigmoid = [](float x) { return x1::sigmoid(x); };
  check("sigmoid", floats_between(-87.3, 30, 4), sigmoid, sigmoid_exact);
  check("sigmoid, all patterns", any_float(kN), sigmoid, sigmoid_exact);
  // Below -87.3 the sigmoid is below the smallest normal, zero, and x times it as well.
  const auto silu = [](float x) { return x < -87.3f ? 0.0f : x1::silu(x); };
  const auto silu_exact = [](long double x) { return x < -87.3f ? 0 : x * sigmoid_exact(x); };
  check("silu", floats_between(-87.3, 30, 5), silu, silu_exact);
  check("silu, all patterns", any_float(kN), silu, silu_exact);
}

TEST_F(X1, DoubleFunctionsAreWithinTwoUlps) {
  constexpr int64_t kN = 1 << 18;
  const auto check = [&](const char* name, auto input, auto f, auto exact) {
    expect_within_2_ulps<double>(name, kN, input, f, exact);
  };
  const auto exp = [](double x) { return x1::exp(x); };
  const auto exp_exact = [](long double x) { return std::exp(x); };
  check("exp", between(-708.3, 709.7, 11), exp, exp_exact);
  check("exp near 0", between(-1, 1, 12), exp, exp_exact);
  const auto log = [](double x) { return x1::log(x); };
  const auto log_exact = [](long double x) { return std::log(x); };
  check("log near 1", between(0.5, 2, 13), log, log_exact);
  check(
      "log, all patterns", [&](int64_t i) { return double_of(random.bits64(static_cast<uint64_t>(i)) >> 1); }, log,
      log_exact);
  const auto sigmoid = [](double x) { return x1::sigmoid(x); };
  check("sigmoid", between(-700, 40, 14), sigmoid, sigmoid_exact);
  check("sigmoid near 0", between(-5, 5, 15), sigmoid, sigmoid_exact);

  const auto sin = [](double x) {
    double s, c;
    x1::sincos(x, s, c);
    return s;
  };
  const auto cos = [](double x) {
    double s, c;
    x1::sincos(x, s, c);
    return c;
  };
  const auto sin_exact = [](long double x) { return std::sin(x); };
  const auto cos_exact = [](long double x) { return std::cos(x); };
  for (const double range : {1.0, 10.0, 163840.0, 0x1p30}) {
    check("sin", between(-range, range, 16), sin, sin_exact);
    check("cos", between(-range, range, 17), cos, cos_exact);
  }
  const auto quarter_turns = [](int64_t i) { return static_cast<double>(i - kN / 2) * 2603.0 * 1.5707963267948966; };
  check("sin near multiples of pi/2", quarter_turns, sin, sin_exact);
  check("cos near multiples of pi/2", quarter_turns, cos, cos_exact);
}

TEST_F(X1, PowIsWithinTwoUlps) {
  const Philox draw(3, Purpose::test);
  double worst = 0;
  for (uint64_t i = 0; i < (1 << 18); ++i) {
    const double reach = i % 3 == 0 ? 1.0 : i % 3 == 1 ? 30.0 : 700.0;
    const double base = std::exp((2 * draw.uniform_double(2 * i) - 1) * 16.1);  // 1e-7 to 1e7
    if (base == 1) continue;
    const double exponent = (2 * draw.uniform_double(2 * i + 1) - 1) * reach / std::log(base);
    const long double exact = std::pow(static_cast<long double>(base), static_cast<long double>(exponent));
    worst = std::max(worst, ulps<double>(x1::pow(base, exponent), exact));
  }
  EXPECT_LE(worst, 2.0);
  std::printf("pow: at most %.3f ulp\n", worst);
  // What schedules and rope ask for: exact powers are exact.
  EXPECT_EQ(x1::pow(2.0, 10.0), 1024.0);
  EXPECT_EQ(x1::pow(10.0, 15.0), 1e15);
  EXPECT_EQ(x1::pow(7.0, -0.0), 1.0);
  EXPECT_EQ(x1::pow(9.0, 0.5), 3.0);
  EXPECT_EQ(x1::pow(0.0, 2.0), 0.0);
  EXPECT_EQ(x1::pow(2.0, 5000.0), static_cast<double>(kInf));
  EXPECT_EQ(x1::pow(2.0, -5000.0), 0.0);
  EXPECT_TRUE(std::isnan(x1::pow(-2.0, 0.5)));
}

TEST_F(X1, EdgesOfFloatFunctions) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), tiny = float_of(1);
  EXPECT_EQ(bits_of(x1::exp(-kInf)), 0u);
  EXPECT_EQ(x1::exp(kInf), kInf);
  EXPECT_EQ(x1::exp(0.0f), 1.0f);
  EXPECT_EQ(x1::exp(-0.0f), 1.0f);
  EXPECT_EQ(bits_of(x1::exp(-87.33655f)), 0u);  // exp is below 2^-126
  EXPECT_GE(x1::exp(-87.33654f), 0x1p-126f);
  EXPECT_LT(x1::exp(88.72283f), kInf);
  EXPECT_EQ(x1::exp(88.72284f), kInf);
  EXPECT_EQ(x1::log(0.0f), -kInf);
  EXPECT_EQ(x1::log(-0.0f), -kInf);
  EXPECT_EQ(x1::log(tiny), -kInf);  // subnormals are zero
  EXPECT_EQ(x1::log(-tiny), -kInf);
  EXPECT_EQ(x1::log(kInf), kInf);
  EXPECT_EQ(bits_of(x1::log(1.0f)), 0u);
  EXPECT_EQ(x1::sigmoid(kInf), 1.0f);
  EXPECT_EQ(bits_of(x1::sigmoid(-kInf)), 0u);
  EXPECT_EQ(x1::sigmoid(0.0f), 0.5f);
  EXPECT_EQ(bits_of(x1::silu(-200.0f)), 0x80000000u);
  for (const float x : {nan, -nan, float_of(0x7F800001), float_of(0xFFFFFFFF)})
    for (const float y : {x1::exp(x), x1::log(x), x1::sigmoid(x), x1::silu(x)}) EXPECT_EQ(bits_of(y), 0x7FC00000u);
  EXPECT_EQ(bits_of(x1::log(-1.0f)), 0x7FC00000u);
}

TEST_F(X1, EdgesOfDoubleFunctions) {
  const double inf = static_cast<double>(kInf), nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(x1::exp(-inf), 0.0);
  EXPECT_EQ(x1::exp(inf), inf);
  EXPECT_EQ(x1::exp(0.0), 1.0);
  EXPECT_EQ(x1::exp(-708.3964185322642), 0.0);
  EXPECT_GE(x1::exp(-708.396418532264), 0x1p-1022);
  EXPECT_LT(x1::exp(709.782712893384), inf);
  EXPECT_EQ(x1::exp(709.7827128933841), inf);
  EXPECT_EQ(x1::log(0.0), -inf);
  EXPECT_EQ(x1::log(inf), inf);
  EXPECT_EQ(x1::log(1.0), 0.0);
  EXPECT_TRUE(std::isnan(x1::log(-1.0)));
  EXPECT_TRUE(std::isnan(x1::exp(nan)));
  EXPECT_TRUE(std::isnan(x1::log(nan)));
  EXPECT_EQ(x1::sigmoid(-inf), 0.0);
  EXPECT_EQ(x1::sigmoid(inf), 1.0);
  double s = 0, c = 0;
  x1::sincos(0.0, s, c);
  EXPECT_EQ(s, 0.0);
  EXPECT_EQ(c, 1.0);
  x1::sincos(inf, s, c);
  EXPECT_TRUE(std::isnan(s) && std::isnan(c));
}

/// Patterns in which a fused product goes wrong easily: random words, close exponents, tiny and huge values, edges, and
/// addends that nearly cancel the product.
template <class T, class Word>
struct Triples {
  static constexpr int kMantissa = std::numeric_limits<T>::digits - 1;
  static constexpr Word kExponents = Word{~Word{0}} << 1 >> (kMantissa + 1);
  static constexpr Word kBias = kExponents / 2, kSign = Word{1} << (sizeof(T) * 8 - 1);
  Philox random;
  Word word(uint64_t i) const { return static_cast<Word>(random.bits64(i)); }
  T value(uint64_t i) const {
    const auto draw = random.words(i ^ (uint64_t{1} << 50));
    const Word w = word(i), fraction = w & ((Word{1} << kMantissa) - 1), sign = w & kSign;
    const Word one = kBias << kMantissa;
    const Word edges[] = {0,
                          1,
                          Word{1} << kMantissa,
                          one,
                          one + 1,
                          one - 1,
                          kExponents << kMantissa,
                          (kExponents << kMantissa) - 1,
                          (Word{1} << kMantissa) - 1};
    Word bits = w;
    if (draw[0] % 4 == 1) bits = sign | (kBias - 8 + draw[1] % 16) << kMantissa | fraction;
    if (draw[0] % 4 == 2) bits = sign | Word{draw[1] % 3} << kMantissa | fraction;
    if (draw[0] % 4 == 3) bits = sign | edges[draw[1] % 9];
    return __builtin_bit_cast(T, bits);
  }
};

template <class T, class Word>
void expect_emulation_equals_fma(uint64_t n) {
  const Triples<T, Word> triples{Philox(5, Purpose::test)};
  int64_t different = 0;
  for (uint64_t i = 0; i < n; ++i) {
    const T a = triples.value(3 * i), b = triples.value(3 * i + 1);
    T c = triples.value(3 * i + 2);
    if (i % 4 == 0) {
      const T near = -(a * b);
      c = __builtin_bit_cast(T, static_cast<Word>(__builtin_bit_cast(Word, near) + triples.word(i) % 7 - 3));
    }
    const T want = x1::fma(a, b, c), got = x1::emulated_fma(a, b, c);
    if (std::isnan(want) && std::isnan(got)) continue;
    if (std::memcmp(&want, &got, sizeof(T)) == 0) continue;
    if (++different <= 5)
      ADD_FAILURE() << std::hexfloat << a << " * " << b << " + " << c << ": " << got << ", not " << want;
  }
  EXPECT_EQ(different, 0);
}

// On a CPU without FMA both sides are the emulation; its hashes there are compared by the selftest.
TEST_F(X1, EmulatedFmaEqualsTheInstruction) {
  expect_emulation_equals_fma<float, uint32_t>(2'000'000);
  expect_emulation_equals_fma<double, uint64_t>(1'000'000);
}

TEST_F(X1, FmaRoundsOnce) {
  const float a = 1 + 0x1p-23f;
  EXPECT_EQ(x1::fma(a, a, -(1 + 0x1p-22f)), 0x1p-46f);
  EXPECT_EQ(x1::emulated_fma(a, a, -(1 + 0x1p-22f)), 0x1p-46f);
  const double d = 1 + 0x1p-52;
  EXPECT_EQ(x1::fma(d, d, -(1 + 0x1p-51)), 0x1p-104);
  EXPECT_EQ(x1::emulated_fma(d, d, -(1 + 0x1p-51)), 0x1p-104);
  // Half way between two floats but for a bit far below: rounding twice would go wrong.
  EXPECT_EQ(x1::emulated_fma(0x1.000002p0f, 0x1.000002p0f, 0x1p-70f), 0x1.000004p0f);
  EXPECT_EQ(x1::emulated_fma(1.0f, 0x1.000001p24f, 1.0f), x1::fma(1.0f, 0x1.000001p24f, 1.0f));
}

TEST_F(X1, Bf16RoundsToNearestEven) {
  for (uint32_t high = 0; high < 0x10000; ++high) {
    for (const uint32_t low : {0x0000u, 0x0001u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu}) {
      const uint32_t word = high << 16 | low, magnitude = word & 0x7FFFFFFF, sign = high & 0x8000;
      uint32_t want;
      if (magnitude > 0x7F800000) {
        want = 0x7FC0;
      } else if (magnitude < 0x00800000) {
        want = sign;
      } else {  // the nearer of the two neighbours, at a tie the even one
        const bool up = low > 0x8000 || (low == 0x8000 && (high & 1));
        want = high + up;
      }
      ASSERT_EQ(x1::to_bf16(float_of(word)), want) << std::hex << word;
    }
    const float exact = x1::from_bf16(static_cast<uint16_t>(high));
    if ((high & 0x7FFF) < 0x80 || (high & 0x7FFF) > 0x7F80) continue;
    ASSERT_EQ(bits_of(x1::round_bf16(exact)), high << 16);
  }
}

TEST_F(X1, RowSumAddsLanesPairwise) {
  for (const int64_t n : {0, 1, 63, 64, 65, 128, 1000}) {
    std::vector<float> x(static_cast<size_t>(n));
    for (size_t i = 0; i < x.size(); ++i) x[i] = random.normal(i) * (i % 7 == 0 ? 1e6f : 1.0f);
    // Written out as a tree: lane l holds its elements in ascending order; then l + 32, l + 16, ... are added.
    const auto lane = [&](size_t l) {
      float sum = 0;
      for (size_t i = l; i < x.size(); i += 64) sum += x[i];
      return sum;
    };
    const auto tree = [&](auto&& self, size_t l, size_t half) -> float {
      return half == 64 ? lane(l) : self(self, l, half * 2) + self(self, l + half, half * 2);
    };
    EXPECT_EQ(bits_of(x1::row_sum<float>(x)), bits_of(tree(tree, 0, 1))) << n;
  }
  EXPECT_EQ(bits_of(x1::row_sum<float>(3, [](int64_t) { return -0.0f; })), 0u);
  EXPECT_EQ(bits_of(x1::row_sum<double>(0, [](int64_t) { return 1.0; })), uint64_t{0});
}

}  // namespace
}  // namespace nuri
