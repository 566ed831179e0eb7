// Loops that do nothing but what is measured. Every product loop elsewhere is judged by these.
#include "backend/cpu/elementary.h"
#include "backend/cpu/kernels/simd.h"

namespace nuri::cpu::NURI_LEVEL {
namespace {

// Enough independent chains to hide the latency of two FMA units (2 x 4 to 5 cycles), few enough for the registers.
constexpr int kChains = kWidth == 4 ? 4 : 12;
constexpr int kSteps = 16;  // FMAs of each chain in a round

float fma_loop(int64_t rounds) {
  const F a = set1(0.999f), b = set1(1e-3f);
  F c[kChains];
  for (int i = 0; i < kChains; ++i) c[i] = set1(static_cast<float>(i));
  for (int64_t round = 0; round < rounds; ++round)
    for (int step = 0; step < kSteps; ++step)
      for (int i = 0; i < kChains; ++i) c[i] = fma(a, c[i], b);
  F sum = F{};
  for (int i = 0; i < kChains; ++i) sum = sum + c[i];
  return sum[0];
}

#if defined(__AVX512BF16__)
float bf16_loop(int64_t rounds) {
  const __m512bh a = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x3F803F80));
  const __m512bh b = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x00003A80));
  __m512 c[kChains];
  for (int i = 0; i < kChains; ++i) c[i] = _mm512_set1_ps(static_cast<float>(i));
  for (int64_t round = 0; round < rounds; ++round)
    for (int step = 0; step < kSteps; ++step)
      for (int i = 0; i < kChains; ++i) c[i] = _mm512_dpbf16_ps(c[i], a, b);
  F sum = F{};
  for (int i = 0; i < kChains; ++i) sum = sum + reinterpret_cast<F>(c[i]);
  return sum[0];
}
#endif

uint32_t read(const void* data, int64_t n) {
  constexpr int kVectors = 8;
  const char* p = static_cast<const char*>(data);
  U seen[kVectors];
  for (int i = 0; i < kVectors; ++i) seen[i] = U{};
  for (int64_t at = 0; at < n; at += kVectors * kWidth * 4)
    for (int i = 0; i < kVectors; ++i) seen[i] = seen[i] | load_u32(p + at + i * kWidth * 4);
  U all = U{};
  for (int i = 0; i < kVectors; ++i) all = all | seen[i];
  uint32_t result = 0;
  for (int i = 0; i < kWidth; ++i) result |= all[i];
  return result;
}

void copy(void* to, const void* from, int64_t n) {
#if defined(__AVX512F__)
  using Word = __m512i;
  const auto stream = [](Word * p, Word v) __attribute__((always_inline)) { _mm512_stream_si512(p, v); };
#elif defined(__AVX2__)
  using Word = __m256i;
  const auto stream = [](Word * p, Word v) __attribute__((always_inline)) { _mm256_stream_si256(p, v); };
#else
  using Word = __m128i;
  const auto stream = [](Word * p, Word v) __attribute__((always_inline)) { _mm_stream_si128(p, v); };
#endif
  Word* out = static_cast<Word*>(to);
  const Word* in = static_cast<const Word*>(from);
  const int64_t words = n / static_cast<int64_t>(sizeof(Word));
  for (int64_t i = 0; i < words; i += 4) {
    const Word w0 = in[i], w1 = in[i + 1], w2 = in[i + 2], w3 = in[i + 3];
    stream(out + i, w0), stream(out + i + 1, w1), stream(out + i + 2, w2), stream(out + i + 3, w3);
  }
  _mm_sfence();
}

}  // namespace

extern const PeakKernels peak_kernels;
const PeakKernels peak_kernels = {fma_loop,  int64_t{kSteps} * kChains* kWidth * 2,
#if defined(__AVX512BF16__)
                                  bf16_loop, int64_t{kSteps} * kChains* kWidth * 4,
#else
                                  nullptr,  0,
#endif
                                  read,      copy};

}  // namespace nuri::cpu::NURI_LEVEL
