// Vectors of one level. This header is compiled once per level, in a namespace named after it; it includes nothing with
// inline functions, so that no code of one level can be linked into another.
//
// F is kWidth floats, I is kWidth 32-bit integers; +, -, *, / and comparisons are the compiler's vector operators
// (IEEE, never contracted because of -ffp-contract=off); fma is written where it is meant.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#ifndef NURI_LEVEL
#error "kernel sources are compiled once per level with -DNURI_LEVEL=..."
#endif

namespace nuri::cpu::NURI_LEVEL {

#if defined(__AVX512F__)
constexpr int kWidth = 16;
#elif defined(__AVX2__)
constexpr int kWidth = 8;
#else
constexpr int kWidth = 4;
#endif

typedef float F __attribute__((vector_size(kWidth * 4)));
typedef int32_t I __attribute__((vector_size(kWidth * 4)));
typedef uint32_t U __attribute__((vector_size(kWidth * 4)));
typedef float FUnaligned __attribute__((vector_size(kWidth * 4), aligned(4), may_alias));
typedef uint32_t UUnaligned __attribute__((vector_size(kWidth * 4), aligned(2), may_alias));

#define NURI_INLINE static inline __attribute__((always_inline, unused))

/// Checks of every address in a hundred unrolled tiles take minutes to compile: UBSan's are left out, and with AVX-512
/// ASan's too, as the same lines are checked on the narrower levels.
#if defined(__AVX512F__)
#define NURI_TILE_CHECKS __attribute__((no_sanitize("undefined", "address")))
#else
#define NURI_TILE_CHECKS __attribute__((no_sanitize("undefined")))
#endif

NURI_INLINE F load(const float* p) { return *reinterpret_cast<const FUnaligned*>(p); }
NURI_INLINE void store(float* p, F v) { *reinterpret_cast<FUnaligned*>(p) = v; }
NURI_INLINE U load_u32(const void* p) { return *reinterpret_cast<const UUnaligned*>(p); }
NURI_INLINE void store_u32(void* p, U v) { *reinterpret_cast<UUnaligned*>(p) = v; }
#if defined(__AVX512F__)
NURI_INLINE F set1(float x) { return reinterpret_cast<F>(_mm512_set1_ps(x)); }
NURI_INLINE U set1_u32(uint32_t x) { return reinterpret_cast<U>(_mm512_set1_epi32(static_cast<int>(x))); }
#elif defined(__AVX2__)
NURI_INLINE F set1(float x) { return reinterpret_cast<F>(_mm256_set1_ps(x)); }
NURI_INLINE U set1_u32(uint32_t x) { return reinterpret_cast<U>(_mm256_set1_epi32(static_cast<int>(x))); }
#else
NURI_INLINE F set1(float x) { return reinterpret_cast<F>(_mm_set1_ps(x)); }
NURI_INLINE U set1_u32(uint32_t x) { return reinterpret_cast<U>(_mm_set1_epi32(static_cast<int>(x))); }
#endif
NURI_INLINE U bits(F v) { return reinterpret_cast<U>(v); }
NURI_INLINE F from_bits(U v) { return reinterpret_cast<F>(v); }

/// a where the mask (0 or -1 per lane) is set, else b.
NURI_INLINE F select(I mask, F a, F b) { return mask ? a : b; }
/// The float nearest to each integer.
NURI_INLINE F to_float(I v) { return __builtin_convertvector(v, F); }

#if defined(__FMA__)
NURI_INLINE float fma1(float a, float b, float c) {
  return _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c)));
}
#else
/// a * b + c rounded once, two lanes in double. The product of two floats is exact in double; the sum is rounded to odd
/// (the error of the addition decides the last bit), after which the rounding to float is the only one that shows.
NURI_INLINE __m128 fma2(__m128d a, __m128d b, __m128d c) {
  const __m128d p = a * b, s = p + c, t = s - p, error = (p - (s - t)) + (c - t);
  const __m128i word = _mm_castpd_si128(s), one = _mm_set1_epi64x(1);
  // Inexact: the error is above or below zero (at infinities it is NaN). Then an even word moves by one towards it.
  const __m128i inexact =
      _mm_castpd_si128(_mm_or_pd(_mm_cmplt_pd(error, _mm_setzero_pd()), _mm_cmpgt_pd(error, _mm_setzero_pd())));
  const __m128i even = _mm_sub_epi64(_mm_and_si128(word, one), one);
  const __m128i opposite = _mm_srli_epi64(_mm_castpd_si128(_mm_xor_pd(error, s)), 63);  // 1: towards zero
  const __m128i step = _mm_sub_epi64(one, _mm_add_epi64(opposite, opposite));
  return _mm_cvtpd_ps(_mm_castsi128_pd(_mm_add_epi64(word, _mm_and_si128(step, _mm_and_si128(inexact, even)))));
}
NURI_INLINE float fma1(float a, float b, float c) {
  return _mm_cvtss_f32(fma2(_mm_set_sd(a), _mm_set_sd(b), _mm_set_sd(c)));
}
#endif

#if defined(__AVX512F__)
NURI_INLINE F fma(F a, F b, F c) {
  return reinterpret_cast<F>(
      _mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
}
// The maskz forms are the plain instructions; the plain intrinsics of GCC 12 pass an uninitialised register and warn.
NURI_INLINE F sqrt(F a) { return reinterpret_cast<F>(_mm512_maskz_sqrt_ps(0xFFFF, reinterpret_cast<__m512>(a))); }
NURI_INLINE F max(F a, F b) {
  return reinterpret_cast<F>(_mm512_maskz_max_ps(0xFFFF, reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
}
NURI_INLINE F min(F a, F b) {
  return reinterpret_cast<F>(_mm512_maskz_min_ps(0xFFFF, reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
}
/// The first n lanes from p, the others `fill`; nothing past p + n is read.
NURI_INLINE F load_partial(const float* p, int n, float fill = 0) {
  return reinterpret_cast<F>(_mm512_mask_loadu_ps(_mm512_set1_ps(fill), static_cast<__mmask16>((1u << n) - 1), p));
}
NURI_INLINE void store_partial(float* p, F v, int n) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), reinterpret_cast<__m512>(v));
}
#elif defined(__AVX2__)
NURI_INLINE F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
NURI_INLINE F sqrt(F a) { return _mm256_sqrt_ps(a); }
NURI_INLINE F max(F a, F b) { return _mm256_max_ps(a, b); }
NURI_INLINE F min(F a, F b) { return _mm256_min_ps(a, b); }
NURI_INLINE __m256i lane_mask(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
NURI_INLINE F load_partial(const float* p, int n, float fill = 0) {
  const __m256i mask = lane_mask(n);
  return _mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
}
NURI_INLINE void store_partial(float* p, F v, int n) { _mm256_maskstore_ps(p, lane_mask(n), v); }
#else
NURI_INLINE F fma(F a, F b, F c) {
  const __m128 low = fma2(_mm_cvtps_pd(a), _mm_cvtps_pd(b), _mm_cvtps_pd(c));
  const __m128 high =
      fma2(_mm_cvtps_pd(_mm_movehl_ps(a, a)), _mm_cvtps_pd(_mm_movehl_ps(b, b)), _mm_cvtps_pd(_mm_movehl_ps(c, c)));
  return _mm_movelh_ps(low, high);
}
NURI_INLINE F sqrt(F a) { return _mm_sqrt_ps(a); }
NURI_INLINE F max(F a, F b) { return _mm_max_ps(a, b); }
NURI_INLINE F min(F a, F b) { return _mm_min_ps(a, b); }
NURI_INLINE F load_partial(const float* p, int n, float fill = 0) {
  F r = set1(fill);
  for (int i = 0; i < n; ++i) r[i] = p[i];
  return r;
}
NURI_INLINE void store_partial(float* p, F v, int n) {
  for (int i = 0; i < n; ++i) p[i] = v[i];
}
#endif

/// kWidth BF16 numbers, one in each half word.
typedef uint16_t H __attribute__((vector_size(kWidth * 2)));
typedef uint16_t HUnaligned __attribute__((vector_size(kWidth * 2), aligned(2), may_alias));

/// The first n (at most kWidth) of them, the others 0; nothing else is read.
NURI_INLINE H load_halves(const uint16_t* p, int64_t n) {
  if (n >= kWidth) return *reinterpret_cast<const HUnaligned*>(p);
  H v{};
  for (int64_t i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
NURI_INLINE void store_halves(uint16_t* p, H v, int64_t n) {
  if (n >= kWidth)
    *reinterpret_cast<HUnaligned*>(p) = v;
  else
    for (int64_t i = 0; i < n; ++i) p[i] = v[i];
}
/// Halves to words and back (of words below 2^16): one or two instructions, where the compiler's conversion takes five.
#if defined(__AVX512F__)
NURI_INLINE U words_of(H v) { return reinterpret_cast<U>(_mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(v))); }
NURI_INLINE H halves_of(U v) { return reinterpret_cast<H>(_mm512_cvtepi32_epi16(reinterpret_cast<__m512i>(v))); }
#elif defined(__AVX2__)
NURI_INLINE U words_of(H v) { return reinterpret_cast<U>(_mm256_cvtepu16_epi32(reinterpret_cast<__m128i>(v))); }
NURI_INLINE H halves_of(U v) {
  const __m256i words = reinterpret_cast<__m256i>(v);
  return reinterpret_cast<H>(_mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}
#else
NURI_INLINE U words_of(H v) { return __builtin_convertvector(v, U); }
NURI_INLINE H halves_of(U v) { return __builtin_convertvector(v, H); }
#endif

/// Rounds to BF16, nearest even, by integer arithmetic (profile x1, rule 4): the result is the FP32 value of the BF16
/// number. |x| below the smallest normal gives signed zero, NaN gives 0x7FC0.
NURI_INLINE U round_bf16_bits(F x) {
  const U u = bits(x);
  const I magnitude = reinterpret_cast<I>(u & 0x7FFFFFFFu);  // signed: the comparison that every level has
  const U rounded = u + 0x7FFFu + ((u >> 16) & 1u);
  const U kept = rounded & (magnitude < 0x00800000 ? U{} + 0x80000000u : U{} + 0xFFFF0000u);
  return magnitude > 0x7F800000 ? U{} + 0x7FC00000u : kept;
}
NURI_INLINE F round_bf16(F x) { return from_bits(round_bf16_bits(x)); }

/// 64 lanes of partial sums, added pairwise 32, 16, 8, 4, 2, 1 (profile x1, rule 5). Element i of a row goes into lane
/// i mod 64; lanes start at +0 and can never become -0, so that padding with +0 changes nothing.
struct LaneSum {
  static constexpr int kVectors = 64 / kWidth;
  F lane[kVectors];
  NURI_INLINE LaneSum zero() {
    LaneSum s;
    for (int i = 0; i < kVectors; ++i) s.lane[i] = F{};
    return s;
  }
  inline __attribute__((always_inline)) float total() const {
    F v[kVectors];
    for (int i = 0; i < kVectors; ++i) v[i] = lane[i];
    for (int half = kVectors / 2; half >= 1; half /= 2)
      for (int i = 0; i < half; ++i) v[i] = v[i] + v[i + half];
#if defined(__AVX512F__)
    const __m256 eight = __builtin_shufflevector(v[0], v[0], 0, 1, 2, 3, 4, 5, 6, 7) +
                         __builtin_shufflevector(v[0], v[0], 8, 9, 10, 11, 12, 13, 14, 15);
#elif defined(__AVX2__)
    const __m256 eight = v[0];
#endif
#if defined(__AVX2__)
    const __m128 four = _mm256_castps256_ps128(eight) + _mm256_extractf128_ps(eight, 1);
#else
    const __m128 four = v[0];
#endif
    const __m128 two = four + _mm_movehl_ps(four, four);
    return two[0] + two[1];
  }
};

}  // namespace nuri::cpu::NURI_LEVEL
