// The levels of x86-64 CPUs that the kernels are compiled for, and which one runs. All give the same bits (profile x1).
#pragma once

#include <string_view>

namespace nuri::cpu {

enum class Level { portable, avx2, avx512, avx512_bf16 };
inline constexpr int kLevels = 4;

std::string_view level_name(Level level);
/// Whether this CPU has the level's instructions; for avx512_bf16 also whether VDPBF16PS equals two FMAs here (high
/// half of a pair first), checked once on edge values.
bool level_available(Level level);
/// The fastest level of this CPU: the widest vectors, and avx512_bf16 only where its dot product of BF16 pairs does at
/// least three quarters of the operations a second of FP32 FMA (dot_speed: bf16_dot_speed() of peak.h). Level avx512
/// takes the pairs apart for FMA, to the same bits.
Level fastest_level(double dot_speed);
/// The level in use: NURI_CPU=avx512_bf16|avx512|avx2|portable, else the fastest, measured at the first call. A level
/// the machine lacks is an error that lists those it has.
Level active_level();
/// For tests and benchmarks: use another available level from now on.
void set_active_level(Level level);

/// Picks one level's table out of the four compiled ones.
template <class Table>
const Table& pick(const Table& portable, const Table& avx2, const Table& avx512, const Table& avx512_bf16) {
  switch (active_level()) {
    case Level::avx512_bf16:
      return avx512_bf16;
    case Level::avx512:
      return avx512;
    case Level::avx2:
      return avx2;
    case Level::portable:
      break;
  }
  return portable;
}

}  // namespace nuri::cpu
