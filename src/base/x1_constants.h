// Coefficients of the functions of profile x1, shared by the scalar functions (base/x1.cpp) and the vectors
// (backend/cpu/kernels/simd_math.h). Plain constants only: kernel sources, compiled per CPU level, include this file.
#pragma once

namespace nuri::x1::constants {

// ---- FP32 ----
// exp(x): n = nearest integer of x log2(e), r = x - n ln 2 in two parts, exp(r) = 1 + (r + r^2 q(r)), times 2^n.
inline constexpr float kRound = 0x1.8p23f;  // adding it rounds to an integer, left in the low bits of the sum
inline constexpr float kLog2e = 0x1.715476p0f;
inline constexpr float kLn2High = 0x1.62e4p-1f;  // 15 bits: n * kLn2High is exact
inline constexpr float kLn2Low = 0x1.7f7d1cp-20f;
inline constexpr float kExpMin = -0x1.5d589ep6f;  // below: the result is below the smallest normal, 2^-126
inline constexpr float kExpMax = 0x1.62e42ep6f;   // above: the result is above the largest finite number
// Minimax on |r| <= ln(2) / 2 with weight r^2 / exp(r), 1/2 fixed; relative error of exp 4.7e-9.
inline constexpr float kExp[] = {0x1p-1f, 0x1.555466p-3f, 0x1.5552fep-5f, 0x1.125866p-7f, 0x1.6ffe2ep-10f};

// log(x): x = 2^e m, m in [sqrt(1/2), sqrt(2)), f = m - 1, log(m) = f + f^2 q(f).
inline constexpr unsigned kSqrtHalfBits = 0x3F3504F3u;  // sqrt(1/2)
// Minimax on [sqrt(1/2) - 1, sqrt(2) - 1] with weight |f|, -1/2 fixed; relative error of log 3.5e-9.
inline constexpr float kLog[] = {-0x1p-1f,       0x1.555546p-2f,  -0x1.fffffp-3f, 0x1.99a4e8p-3f,  -0x1.556218p-3f,
                                 0x1.2337fep-3f, -0x1.fb656ap-4f, 0x1.e634fp-4f,  -0x1.e2142ap-4f, 0x1.1a6232p-4f};

inline constexpr float kSmallestNormal = 0x1p-126f;

// ---- FP64 ----
inline constexpr double kRoundD = 0x1.8p52;
inline constexpr double kLog2eD = 0x1.71547652b82fep0;
inline constexpr double kLn2HighD = 0x1.62e42fefa3p-1;  // 41 bits: n * kLn2HighD is exact for |n| <= 2048
inline constexpr double kLn2LowD = 0x1.3de6af278ece6p-42;
inline constexpr double kExpMinD = -0x1.6232bdd7abcd2p9;
inline constexpr double kExpMaxD = 0x1.62e42fefa39efp9;
inline constexpr unsigned long kSqrtHalfBitsD = 0x3FE6A09E667F3BCDul;
inline constexpr double kThirdLow = 0x1.5555555555555p-56;  // 1/3 - the double nearest to it

// pi / 2 in three parts.
inline constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
inline constexpr double kHalfPi1 = 0x1.921fb54442d18p0;
inline constexpr double kHalfPi2 = 0x1.1a62633145c07p-54;
inline constexpr double kHalfPi3 = -0x1.f1976b7ed8fb8p-110;

}  // namespace nuri::x1::constants
