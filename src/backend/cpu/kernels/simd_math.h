// exp, log, sigmoid and silu of a vector: the sequences of base/x1.cpp lane by lane, equal to them in every bit.
#pragma once

#include "backend/cpu/kernels/simd.h"
#include "base/x1_constants.h"

namespace nuri::cpu::NURI_LEVEL {

constexpr uint32_t kNanBits = 0x7FC00000u, kInfBits = 0x7F800000u, kSignBit = 0x80000000u;

/// exp(x) = e * 2^n with e = 1 + y; n in the low bits of `shifted`.
struct ExpParts {
  F y, e;
  U shifted;
};
NURI_INLINE ExpParts exp_parts(F x) {
  namespace k = ::nuri::x1::constants;
  const F shifted = fma(x, set1(k::kLog2e), set1(k::kRound));
  const F n = shifted - k::kRound;
  const F r = fma(n, set1(-k::kLn2Low), fma(n, set1(-k::kLn2High), x));
  F q = set1(k::kExp[4]);
  for (int i = 3; i >= 0; --i) q = fma(q, r, set1(k::kExp[i]));
  const F y = fma(r * r, q, r);
  return {y, 1.0f + y, bits(shifted)};
}

NURI_INLINE F exp(F x) {
  namespace k = ::nuri::x1::constants;
  const ExpParts p = exp_parts(x);
  F y = from_bits(bits(p.e) + (p.shifted << 23));
  y = select(x < k::kExpMin, F{}, y);
  y = select(x > k::kExpMax, from_bits(set1_u32(kInfBits)), y);
  return select(x == x, y, from_bits(set1_u32(kNanBits)));
}

NURI_INLINE F log(F x) {
  namespace k = ::nuri::x1::constants;
  const F nan = from_bits(set1_u32(kNanBits)), inf = from_bits(set1_u32(kInfBits));
  const U u = bits(x) - k::kSqrtHalfBits;
  const F e = to_float(reinterpret_cast<I>(u) >> 23);
  const F f = from_bits((u & 0x7FFFFFu) + k::kSqrtHalfBits) - 1.0f;
  F q = set1(k::kLog[9]);
  for (int i = 8; i >= 0; --i) q = fma(q, f, set1(k::kLog[i]));
  const F low = fma(e, set1(k::kLn2Low), (f * f) * q);
  F y = fma(e, set1(k::kLn2High), f + low);
  y = select(x < inf, y, select(x == x, x, nan));
  y = select(x < k::kSmallestNormal, from_bits(set1_u32(kInfBits | kSignBit)), y);
  return select(x <= -k::kSmallestNormal, nan, y);
}

NURI_INLINE F sigmoid(F x) {
  namespace k = ::nuri::x1::constants;
  const F a = from_bits(bits(x) | kSignBit);
  const ExpParts p = exp_parts(a);
  const F scale = from_bits((p.shifted << 23) + 0x3F800000u);
  const I gone = a < k::kExpMin;
  const F e = select(gone, F{}, p.e * scale), e_low = select(gone, F{}, (p.y - (p.e - 1.0f)) * scale);
  const F d = 1.0f + e, d_low = (e - (d - 1.0f)) + e_low;
  const I negative = x < F{};
  const F num = select(negative, e, set1(1.0f)), num_low = select(negative, e_low, F{});
  const F inverse = 1.0f / d;
  const F q = num * inverse;
  const F remainder = fma(-q, d_low, fma(-q, d, num) + num_low);
  const F y = fma(remainder, inverse, q);
  return select(x == x, y, from_bits(set1_u32(kNanBits)));
}

NURI_INLINE F silu(F x) {
  const F y = x * sigmoid(x);
  return select(y == y, y, from_bits(set1_u32(kNanBits)));
}

}  // namespace nuri::cpu::NURI_LEVEL
