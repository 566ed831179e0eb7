#include "base/x1.h"

#include "base/x1_constants.h"

namespace nuri::x1 {
namespace {

using namespace constants;

#define NURI_ALWAYS inline __attribute__((always_inline))

NURI_ALWAYS uint32_t bits(float x) { return __builtin_bit_cast(uint32_t, x); }
NURI_ALWAYS uint64_t bits(double x) { return __builtin_bit_cast(uint64_t, x); }
NURI_ALWAYS float from_bits(uint32_t u) { return __builtin_bit_cast(float, u); }
NURI_ALWAYS double from_bits(uint64_t u) { return __builtin_bit_cast(double, u); }

constexpr uint32_t kNan = 0x7FC00000u, kInf = 0x7F800000u, kSign = 0x80000000u;
constexpr uint64_t kNanD = 0x7FF8000000000000ull, kInfD = 0x7FF0000000000000ull, kSignD = 0x8000000000000000ull;
constexpr uint64_t kMantissaD = 0x000FFFFFFFFFFFFFull;

/// The CPU's instruction: used only inside functions compiled for it.
struct Hardware {
  static NURI_ALWAYS float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
  static NURI_ALWAYS double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
};
struct Software {
  static NURI_ALWAYS float fma(float a, float b, float c) { return emulated_fma(a, b, c); }
  static NURI_ALWAYS double fma(double a, double b, double c) { return emulated_fma(a, b, c); }
};

bool has_fma() {
  static const bool has = [] {
    __builtin_cpu_init();
    return __builtin_cpu_supports("fma") != 0;
  }();
  return has;
}

/// c[0] + x (c[1] + x (c[2] + ...)), Horner with fma.
template <class P, class T, int N>
NURI_ALWAYS T horner(const T (&c)[N], T x) {
  T y = c[N - 1];
  for (int i = N - 2; i >= 0; --i) y = P::fma(y, x, c[i]);
  return y;
}

// ---------------------------------------------------------------------------------------------------------------- FP32

/// exp(x) = e * 2^n with e = 1 + y; n in the low bits of `shifted`.
struct ExpParts {
  float y, e;
  uint32_t shifted;
};
template <class P>
NURI_ALWAYS ExpParts exp_parts(float x) {
  const float shifted = P::fma(x, kLog2e, kRound);
  const float n = shifted - kRound;
  const float r = P::fma(n, -kLn2Low, P::fma(n, -kLn2High, x));
  const float y = P::fma(r * r, horner<P>(kExp, r), r);
  return {y, 1.0f + y, bits(shifted)};
}

template <class P>
NURI_ALWAYS float exp_core(float x) {
  const ExpParts p = exp_parts<P>(x);
  const float y = from_bits(bits(p.e) + (p.shifted << 23));
  if (x < kExpMin) return 0.0f;
  if (x > kExpMax) return from_bits(kInf);
  return x == x ? y : from_bits(kNan);
}

template <class P>
NURI_ALWAYS float log_core(float x) {
  const uint32_t u = bits(x) - kSqrtHalfBits;
  const float e = static_cast<float>(static_cast<int32_t>(u) >> 23);
  const float f = from_bits((u & 0x7FFFFFu) + kSqrtHalfBits) - 1.0f;
  const float low = P::fma(e, kLn2Low, (f * f) * horner<P>(kLog, f));
  const float y = P::fma(e, kLn2High, f + low);
  if (x <= -kSmallestNormal) return from_bits(kNan);
  if (x < kSmallestNormal) return from_bits(kInf | kSign);
  return x < from_bits(kInf) ? y : (x == x ? x : from_bits(kNan));
}

/// With e = exp(-|x|) in two parts (e + e_low): num / d, num = 1 or e, d = 1 + e; the quotient is corrected once by its
/// remainder, which takes in the rounding errors of e and of 1 + e. So x * sigmoid(x) stays within 2 ulp as well.
template <class P>
NURI_ALWAYS float sigmoid_core(float x) {
  const float a = from_bits(bits(x) | kSign);
  const ExpParts p = exp_parts<P>(a);
  const float scale = from_bits((p.shifted << 23) + 0x3F800000u);
  const bool gone = a < kExpMin;
  const float e = gone ? 0.0f : p.e * scale, e_low = gone ? 0.0f : (p.y - (p.e - 1.0f)) * scale;
  const float d = 1.0f + e, d_low = (e - (d - 1.0f)) + e_low;
  const bool negative = x < 0.0f;
  const float num = negative ? e : 1.0f, num_low = negative ? e_low : 0.0f;
  const float inverse = 1.0f / d;
  const float q = num * inverse;
  const float remainder = P::fma(-q, d_low, P::fma(-q, d, num) + num_low);
  const float y = P::fma(remainder, inverse, q);
  return x == x ? y : from_bits(kNan);
}

// ---------------------------------------------------------------------------------------------------------------- FP64

struct Pair {  // an unevaluated sum, |low| <= ulp(high) / 2
  double high, low;
};
NURI_ALWAYS Pair fast_two_sum(double a, double b) {  // |a| >= |b| or a == 0
  const double s = a + b;
  return {s, b - (s - a)};
}
NURI_ALWAYS Pair two_sum(double a, double b) {
  const double s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}
template <class P>
NURI_ALWAYS Pair two_product(double a, double b) {
  const double p = a * b;
  return {p, P::fma(a, b, -p)};
}

// 1 / k! for k = 2..13: exp(r) = 1 + r + r^2 (1/2! + r/3! + ...), |r| <= ln(2) / 2; the first term left out is 4e-18.
constexpr double kExpD[] = {1.0 / 2,       1.0 / 6,        1.0 / 24,        1.0 / 120,
                            1.0 / 720,     1.0 / 5040,     1.0 / 40320,     1.0 / 362880,
                            1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};

/// exp(x + low), |low| < 2^-40: exp(r + r_low) = exp(r) + r_low exp(r).
template <class P>
NURI_ALWAYS double exp_pair(double x, double low) {
  const double shifted = P::fma(x, kLog2eD, kRoundD);
  const double n = shifted - kRoundD;
  const double r1 = P::fma(n, -kLn2HighD, x);
  const double r = P::fma(n, -kLn2LowD, r1);
  const double r_low = P::fma(n, -kLn2LowD, r1 - r) + low;
  const double tail = (r * r) * horner<P>(kExpD, r);
  const Pair s = fast_two_sum(1.0, r);
  const double e = s.high + (s.low + P::fma(r_low, s.high + tail, tail));
  const double y = from_bits(bits(e) + (bits(shifted) << 52));
  if (x < kExpMinD) return 0.0;
  if (x > kExpMaxD) return from_bits(kInfD);
  return x == x ? y : from_bits(kNanD);
}

/// x = 2^exponent m, m in [sqrt(1/2), sqrt(2)); f = m - 1, exact.
struct Reduced {
  double exponent, f;
};
NURI_ALWAYS Reduced reduce_for_log(double x) {
  const uint64_t u = bits(x) - kSqrtHalfBitsD;
  return {static_cast<double>(static_cast<int64_t>(u) >> 52), from_bits((u & kMantissaD) + kSqrtHalfBitsD) - 1.0};
}

// log(m) = 2 atanh(s) = 2 s (1 + z/3 + z^2/5 + ...), s = f / (2 + f), z = s^2 <= 0.0295: terms up to z^14 / 29.
constexpr double kAtanh[] = {1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11, 1.0 / 13, 1.0 / 15,
                             1.0 / 17, 1.0 / 19, 1.0 / 21, 1.0 / 23, 1.0 / 25, 1.0 / 27, 1.0 / 29};
constexpr double kAtanhTail[] = {1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17,
                                 1.0 / 19, 1.0 / 21, 1.0 / 23, 1.0 / 25, 1.0 / 27, 1.0 / 29};

/// 2 s = f - s f, so log(m) = f - s (f - R) with R = 2 z (1/3 + z/5 + ...): what is rounded is small beside f.
template <class P>
NURI_ALWAYS double log_core(double x) {
  const Reduced v = reduce_for_log(x);
  const double s = v.f / (2.0 + v.f), z = s * s;
  const double r = 2.0 * (z * horner<P>(kAtanh, z));
  const double low = P::fma(v.exponent, kLn2LowD, -(s * (v.f - r)));
  const double y = P::fma(v.exponent, kLn2HighD, v.f + low);
  if (x <= -0x1p-1022) return from_bits(kNanD);
  if (x < 0x1p-1022) return from_bits(kInfD | kSignD);
  return x < from_bits(kInfD) ? y : (x == x ? x : from_bits(kNanD));
}

/// log(x) with about 66 correct bits, for pow; x normal and finite.
template <class P>
NURI_ALWAYS Pair log_pair(double x) {
  const Reduced v = reduce_for_log(x);
  const Pair d = fast_two_sum(2.0, v.f);
  const double s = v.f / d.high;
  const double s_low = P::fma(-s, d.low, P::fma(-s, d.high, v.f)) / d.high;
  Pair z = two_product<P>(s, s);
  z.low = P::fma(2.0 * s, s_low, z.low);
  const double tail = horner<P>(kAtanhTail, z.high);  // p = 1/3 + z * tail
  const Pair a = two_product<P>(z.high, tail);
  Pair p = fast_two_sum(kAtanh[0], a.high);
  p.low += kThirdLow + P::fma(z.low, tail, a.low);
  Pair t = two_product<P>(z.high, p.high);  // t = z p
  t.low = P::fma(z.high, p.low, P::fma(z.low, p.high, t.low));
  Pair u = two_product<P>(s, t.high);  // u = s t
  u.low = P::fma(s, t.low, P::fma(s_low, t.high, u.low));
  const Pair half = fast_two_sum(s, u.high);
  const Pair log_m = {2.0 * half.high, 2.0 * (half.low + (s_low + u.low))};
  const Pair sum = fast_two_sum(v.exponent * kLn2HighD, log_m.high);
  return fast_two_sum(sum.high, sum.low + P::fma(v.exponent, kLn2LowD, log_m.low));
}

template <class P>
NURI_ALWAYS double pow_core(double base, double exponent) {
  if (exponent == 0.0 || base == 1.0) return 1.0;
  const double inf = from_bits(kInfD);
  if (!(base > -0x1p-1022) || exponent != exponent) return from_bits(kNanD);
  if (base < 0x1p-1022 || base == inf) return (base < 1.0) == (exponent > 0.0) ? 0.0 : inf;
  const Pair l = log_pair<P>(base);
  const double high = exponent * l.high;
  if (high < kExpMinD) return 0.0;
  if (high > kExpMaxD) return inf;
  const double low = P::fma(exponent, l.low, P::fma(exponent, l.high, -high));
  return exp_pair<P>(high, low);
}

// sin(r) = r + r^3 (-1/3! + r^2/5! - ...), cos(r) = 1 - r^2/2 + r^4 (1/4! - r^2/6! + ...), |r| <= pi / 4.
constexpr double kSin[] = {-1.0 / 6,        1.0 / 120,          -1.0 / 5040,         1.0 / 362880,
                           -1.0 / 39916800, 1.0 / 6227020800.0, -1.0 / 1307674368e3, 1.0 / 355687428096e3};
constexpr double kCos[] = {1.0 / 24,        -1.0 / 720,           1.0 / 40320,         -1.0 / 3628800,
                           1.0 / 479001600, -1.0 / 87178291200.0, 1.0 / 20922789888e3, -1.0 / 6402373705728e3};

template <class P>
NURI_ALWAYS void sincos_core(double x, double& sin, double& cos) {
  if (!(x >= -0x1p30 && x <= 0x1p30)) {
    sin = cos = from_bits(kNanD);
    return;
  }
  // x - n pi/2: the first step is exact (a multiple of the last bit of pi/2 or of x, below 1), the second is carried in
  // two parts, the third is far below.
  const double shifted = P::fma(x, kTwoOverPi, kRoundD);
  const double n = shifted - kRoundD;
  const double r1 = P::fma(n, -kHalfPi1, x);
  const Pair w = two_product<P>(n, kHalfPi2);
  const Pair d = two_sum(r1, -w.high);
  const Pair r = fast_two_sum(d.high, d.low - P::fma(n, kHalfPi3, w.low));
  const double z = r.high * r.high, half_z = 0.5 * z;
  const double s = r.high + P::fma(r.high * z, horner<P>(kSin, z), r.low * (1.0 - half_z));
  const Pair one = fast_two_sum(1.0, -half_z);
  const double c = one.high + (one.low + P::fma(z * z, horner<P>(kCos, z), -(r.high * r.low)));
  const uint64_t quadrant = bits(shifted) & 3;
  sin = quadrant & 1 ? c : s;
  cos = quadrant & 1 ? s : c;
  if (quadrant & 2) sin = -sin;
  if (quadrant == 1 || quadrant == 2) cos = -cos;
}

template <class P>
NURI_ALWAYS double sigmoid_core(double x) {
  const double e = exp_pair<P>(-__builtin_fabs(x), 0.0);
  const Pair d = fast_two_sum(1.0, e);
  const double num = x < 0.0 ? e : 1.0, q = num / d.high;
  return q + P::fma(-q, d.low, P::fma(-q, d.high, num)) / d.high;
}

}  // namespace

// Each function twice, compiled for FMA and not; the CPU chooses.

#define NURI_WITH_FMA __attribute__((target("fma")))
#define NURI_FUNCTION(T, name, core)                                 \
  namespace {                                                        \
  NURI_WITH_FMA T name##_hardware(T x) { return core<Hardware>(x); } \
  T name##_software(T x) { return core<Software>(x); }               \
  }                                                                  \
  T name(T x) { return has_fma() ? name##_hardware(x) : name##_software(x); }

namespace {
template <class P>
NURI_ALWAYS double exp_core(double x) {
  return exp_pair<P>(x, 0.0);
}
NURI_WITH_FMA float fma_hardware(float a, float b, float c) { return Hardware::fma(a, b, c); }
NURI_WITH_FMA double fma_hardware(double a, double b, double c) { return Hardware::fma(a, b, c); }
NURI_WITH_FMA double pow_hardware(double b, double e) { return pow_core<Hardware>(b, e); }
double pow_software(double b, double e) { return pow_core<Software>(b, e); }
NURI_WITH_FMA void sincos_hardware(double x, double& s, double& c) { sincos_core<Hardware>(x, s, c); }
void sincos_software(double x, double& s, double& c) { sincos_core<Software>(x, s, c); }
}  // namespace

NURI_FUNCTION(float, exp, exp_core)
NURI_FUNCTION(float, log, log_core)
NURI_FUNCTION(float, sigmoid, sigmoid_core)
NURI_FUNCTION(double, exp, exp_core)
NURI_FUNCTION(double, log, log_core)
NURI_FUNCTION(double, sigmoid, sigmoid_core)

float fma(float a, float b, float c) { return has_fma() ? fma_hardware(a, b, c) : emulated_fma(a, b, c); }
double fma(double a, double b, double c) { return has_fma() ? fma_hardware(a, b, c) : emulated_fma(a, b, c); }
double pow(double base, double exponent) {
  return has_fma() ? pow_hardware(base, exponent) : pow_software(base, exponent);
}
void sincos(double x, double& sin, double& cos) {
  has_fma() ? sincos_hardware(x, sin, cos) : sincos_software(x, sin, cos);
}
float silu(float x) {
  const float y = x * sigmoid(x);
  return y == y ? y : from_bits(kNan);
}
double silu(double x) { return x * sigmoid(x); }
float sqrt(float x) { return __builtin_sqrtf(x); }
double sqrt(double x) { return __builtin_sqrt(x); }

uint16_t to_bf16(float x) {
  const uint32_t u = bits(x), magnitude = u & ~kSign;
  if (magnitude > kInf) return 0x7FC0;
  if (magnitude < 0x00800000u) return static_cast<uint16_t>((u & kSign) >> 16);
  return static_cast<uint16_t>((u + 0x7FFFu + ((u >> 16) & 1u)) >> 16);
}

}  // namespace nuri::x1
