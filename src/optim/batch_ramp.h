// Rows of each step of a run: constant, or rising over its first tokens (DeepSeek-V3 paper, section 4.2: 3,072 to
// 15,360 sequences over the first 469 B tokens). The rows of a step are a function of the rows seen before it, which is
// also the loader's cursor; a step count gives the cursor and the other way round.
//   rows(seen) = start + unit floor(L seen / ramp)  while seen < ramp, then full;  L = (full - start) / unit
#pragma once

#include <cstdint>
#include <vector>

namespace nuri {

struct BatchRamp {
  int64_t full = 1;   ///< rows of a step after the ramp
  int64_t start = 0;  ///< of the first step; 0: all steps have `full`
  int64_t unit = 1;   ///< divides full - start
  int64_t ramp = 0;   ///< rows seen when `full` is reached

  /// Rows of the step that has `seen` rows before it.
  int64_t rows_at(int64_t seen) const;
  /// Rows seen after so many steps.
  int64_t seen_after(int64_t steps) const;
  /// Whole steps that see at most `rows` rows.
  int64_t steps_within(int64_t rows) const;
  /// Every number of rows that a step may have, ascending.
  std::vector<int64_t> sizes() const;

 private:
  int64_t levels() const { return start > 0 ? (full - start) / unit : 0; }
  /// Rows seen from which on a step has more than start + level * unit rows.
  int64_t end_of(int64_t level) const;
};

}  // namespace nuri
