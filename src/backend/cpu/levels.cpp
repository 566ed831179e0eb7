#include "backend/cpu/levels.h"

#include <cpuid.h>
#include <immintrin.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "backend/cpu/peak.h"
#include "base/error.h"

namespace nuri::cpu {
namespace {

std::optional<Level> g_level;

/// Whether the CPU adds the high half of a pair first and rounds, flushes and saturates like two FMAs. Values:
/// ordinary, cancelling, near overflow, around the smallest normal number.
__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16,fma"))) bool bf16_dot_is_two_fmas() {
  static constexpr uint32_t kEdges[] = {0x3F800000, 0xBF810000, 0x00800000, 0x00810000, 0x80800000, 0x7F000000,
                                        0x00010000, 0x3F7F0000, 0x41200000, 0xC0490000, 0x1F800000, 0x20000000,
                                        0x00000000, 0x80000000, 0x5F000000, 0x00400000};
  const unsigned saved = _mm_getcsr();
  _mm_setcsr(saved | 0x8040);
  bool same = true;
  uint32_t seed = 1;
  for (int trial = 0; trial < 4096 && same; ++trial) {
    auto next = [&] {
      seed = seed * 1664525u + 1013904223u;
      const uint32_t edge = kEdges[(seed >> 20) & 15];
      return (seed & 0x10000) ? edge : (edge ^ (seed & 0x00FF0000));
    };
    alignas(64) uint32_t a[16], b[16], c[16], pair_a[16], pair_b[16], a2[16], b2[16];
    for (int i = 0; i < 16; ++i) {
      a[i] = next() & 0xFFFF0000, b[i] = next() & 0xFFFF0000, a2[i] = next() & 0xFFFF0000, b2[i] = next() & 0xFFFF0000;
      c[i] = next() ^ (seed & 0xFFFF);
      pair_a[i] = a[i] | (a2[i] >> 16), pair_b[i] = b[i] | (b2[i] >> 16);
    }
    const __m512 dot =
        _mm512_dpbf16_ps(_mm512_load_ps(c), (__m512bh)_mm512_load_si512(pair_a), (__m512bh)_mm512_load_si512(pair_b));
    const __m512 two = _mm512_fmadd_ps(_mm512_load_ps(a2), _mm512_load_ps(b2),
                                       _mm512_fmadd_ps(_mm512_load_ps(a), _mm512_load_ps(b), _mm512_load_ps(c)));
    const __mmask16 finite = _mm512_cmp_ps_mask(_mm512_abs_ps(two), _mm512_set1_ps(3.4e38f), _CMP_LT_OQ);
    same = _mm512_mask_cmpneq_epu32_mask(finite, _mm512_castps_si512(dot), _mm512_castps_si512(two)) == 0;
  }
  _mm_setcsr(saved);
  return same;
}

bool has(Level level) {
  __builtin_cpu_init();
  switch (level) {
    case Level::portable:
      return true;
    case Level::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    case Level::avx512:
      return has(Level::avx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case Level::avx512_bf16:
      return has(Level::avx512) && __builtin_cpu_supports("avx512bf16") && bf16_dot_is_two_fmas();
  }
  return false;
}

}  // namespace

std::string_view level_name(Level level) {
  switch (level) {
    case Level::portable:
      return "portable";
    case Level::avx2:
      return "avx2";
    case Level::avx512:
      return "avx512";
    case Level::avx512_bf16:
      return "avx512_bf16";
  }
  return "?";
}

bool level_available(Level level) {
  static const bool available[kLevels] = {has(Level::portable), has(Level::avx2), has(Level::avx512),
                                          has(Level::avx512_bf16)};
  return available[static_cast<int>(level)];
}

Level fastest_level(double dot_speed) {
  // CPUs measured lie at 2 or at 0.5. At equal speed a dot product would win, as it reads half the bytes; the bound
  // lies between that and 0.5.
  constexpr double kWorthIt = 0.75;
  if (level_available(Level::avx512_bf16) && dot_speed >= kWorthIt) return Level::avx512_bf16;
  for (const Level level : {Level::avx512, Level::avx2})
    if (level_available(level)) return level;
  return Level::portable;
}

Level active_level() {
  if (g_level) return *g_level;
  if (const char* wanted = std::getenv("NURI_CPU"); wanted && *wanted) {
    std::string names;
    for (int i = 0; i < kLevels; ++i)
      if (level_available(static_cast<Level>(i)))
        names += (names.empty() ? "" : ", ") + std::string(level_name(static_cast<Level>(i)));
    for (int i = 0; i < kLevels; ++i) {
      const Level level = static_cast<Level>(i);
      if (level_name(level) != wanted) continue;
      NURI_CHECK(level_available(level), "NURI_CPU={}: this CPU does not have that level; it has {}", wanted, names);
      g_level = level;
      return level;
    }
    fail("NURI_CPU={}: unknown level; known are portable, avx2, avx512, avx512_bf16; this CPU has {}", wanted, names);
  }
  g_level = fastest_level(level_available(Level::avx512_bf16) ? bf16_dot_speed() : 0);
  return *g_level;
}

void set_active_level(Level level) {
  NURI_ASSERT(level_available(level));
  g_level = level;
}

}  // namespace nuri::cpu
