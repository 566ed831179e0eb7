// a * b + c rounded once, for CPUs without the instruction; the same bits as it gives with subnormals flushed.
#include "base/x1.h"

namespace nuri::x1 {
namespace {

uint64_t bits(double x) { return __builtin_bit_cast(uint64_t, x); }
double from_bits(uint64_t u) { return __builtin_bit_cast(double, u); }

constexpr uint64_t kInfinity = 0x7FF0000000000000ull, kSign = 0x8000000000000000ull;
constexpr uint64_t kMantissa = 0x000FFFFFFFFFFFFFull;

}  // namespace

float emulated_fma(float a, float b, float c) {
  // The product of two floats is exact in double. The sum is rounded to odd (the error of the addition decides the last
  // bit), after which the rounding to float is the only one that shows.
  const double p = static_cast<double>(a) * static_cast<double>(b), d = c;
  const double s = p + d, t = s - p, error = (p - (s - t)) + (d - t);
  uint64_t word = bits(s);
  if ((error > 0 || error < 0) && (word & 1) == 0)  // towards the exact value; not for infinities, whose error is NaN
    word += ((error > 0) == (s > 0)) ? 1 : ~uint64_t{0};
  return static_cast<float>(from_bits(word));
}

double emulated_fma(double a, double b, double c) {
  using Wide = unsigned __int128;
  const auto flushed = [](double x) { return (bits(x) & kInfinity) == 0 ? from_bits(bits(x) & kSign) : x; };
  a = flushed(a), b = flushed(b), c = flushed(c);
  const int ea = static_cast<int>(bits(a) >> 52 & 0x7FF), eb = static_cast<int>(bits(b) >> 52 & 0x7FF);
  const int ec = static_cast<int>(bits(c) >> 52 & 0x7FF);
  if (ea == 0x7FF || eb == 0x7FF) return a * b + c;
  if (ec == 0x7FF) return c;
  if (ea == 0 || eb == 0) return a * b + c;
  if (ec == 0) return a * b;
  // Both terms as 128-bit integers times 2^exponent; bits shifted out are kept as one sticky bit at the bottom, far
  // below the place of rounding.
  const auto significand = [](double x) { return (bits(x) & kMantissa) | (kMantissa + 1); };
  const auto shift_right = [](Wide v, int n) -> Wide {
    if (n >= 128) return 1;
    return (v >> n) | ((v & ((Wide{1} << n) - 1)) != 0);
  };
  Wide product = Wide{significand(a)} * significand(b) << 2;
  int exponent = ea + eb - 2 * 1075 - 2;
  Wide addend = significand(c);
  const int shift = ec - 1075 - exponent;
  if (shift > 72) {
    addend <<= 72;
    product = shift_right(product, shift - 72);
    exponent += shift - 72;
  } else if (shift >= 0) {
    addend <<= shift;
  } else {
    addend = shift_right(addend, -shift);
  }
  const uint64_t sign_p = (bits(a) ^ bits(b)) & kSign, sign_c = bits(c) & kSign;
  uint64_t sign = sign_p;
  Wide sum;
  if (sign_p == sign_c) {
    sum = product + addend;
  } else if (product >= addend) {
    sum = product - addend;
  } else {
    sum = addend - product;
    sign = sign_c;
  }
  if (sum == 0) return 0.0;
  const uint64_t top = static_cast<uint64_t>(sum >> 64);
  const int highest = top ? 127 - __builtin_clzll(top) : 63 - __builtin_clzll(static_cast<uint64_t>(sum));
  const int drop = highest - 52;
  if (drop > 0) {
    const Wide rest = sum & ((Wide{1} << drop) - 1), half = Wide{1} << (drop - 1);
    sum >>= drop;
    if (rest > half || (rest == half && (sum & 1))) sum += 1;
  } else {
    sum <<= -drop;
  }
  uint64_t mantissa = static_cast<uint64_t>(sum);
  int biased = exponent + drop + 1075;
  if (mantissa >> 53) mantissa >>= 1, ++biased;
  if (biased >= 0x7FF) return from_bits(sign | kInfinity);
  if (biased <= 0) return from_bits(sign);  // tiny after rounding: flushed
  return from_bits(sign | static_cast<uint64_t>(biased) << 52 | (mantissa & kMantissa));
}

}  // namespace nuri::x1
