// The arithmetic of numerics profile x1 for scalars and rows: the definitions that every kernel equals to the bit.
// (ARCHITECTURE.md, "Arithmetic".) Vector versions of the same sequences are in backend/cpu/kernels/simd_math.h.
#pragma once

#include <cstdint>
#include <span>

namespace nuri::x1 {

inline constexpr const char* kProfile = "x1";

/// a * b + c, rounded once; the instruction where the CPU has it, else an exact emulation with the same bits.
float fma(float a, float b, float c);
double fma(double a, double b, double c);
/// The emulations themselves (results below the smallest normal are zero): what runs where the CPU has no FMA.
float emulated_fma(float a, float b, float c);
double emulated_fma(double a, double b, double c);

// Fixed sequences of fma, mul, add on FP32; at most 2 ulp against the exact value. Subnormal results are zero.
float exp(float x);      ///< 0 below the smallest normal result, +inf above the largest
float log(float x);      ///< -inf at 0, NaN below
float sigmoid(float x);  ///< 1 / (1 + exp(-x)) without overflow
float silu(float x);     ///< x * sigmoid(x), both rounded

// The same in double, for angles, frequencies, schedules and references.
double exp(double x);
double log(double x);
double pow(double base, double exponent);         ///< base > 0; exp(exponent * log(base)) in extended working precision
void sincos(double x, double& sin, double& cos);  ///< |x| <= 2^30, reduced exactly enough for 2 ulp
double sigmoid(double x);
double silu(double x);
float sqrt(float x);
double sqrt(double x);

/// BF16 of x, nearest even, by integer arithmetic: |x| below the smallest normal gives signed zero, NaN 0x7FC0.
uint16_t to_bf16(float x);
inline float from_bf16(uint16_t bits) {
  const uint32_t word = static_cast<uint32_t>(bits) << 16;
  return __builtin_bit_cast(float, word);
}
inline float round_bf16(float x) { return from_bf16(to_bf16(x)); }
inline double round_bf16(double x) { return x; }  ///< accuracy references do not round

/// Sum of term(i), i = 0..n-1, by rule 5: 64 lanes from +0, element i into lane i mod 64, then lanes 32, 16, 8, 4, 2, 1
/// added pairwise. In double (accuracy references) the same order.
template <class T, class Term>
T row_sum(int64_t n, Term term) {
  T lane[64] = {};
  for (int64_t i = 0; i < n; ++i) lane[i & 63] = lane[i & 63] + term(i);
  for (int half = 32; half >= 1; half /= 2)
    for (int i = 0; i < half; ++i) lane[i] = lane[i] + lane[i + half];
  return lane[0];
}
template <class T>
T row_sum(std::span<const T> x) {
  return row_sum<T>(static_cast<int64_t>(x.size()), [&](int64_t i) { return x[static_cast<size_t>(i)]; });
}

}  // namespace nuri::x1
