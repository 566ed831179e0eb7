// Which problems are asked: all of an endless sequence that leave room for an answer, but for those of a file that
// proved too easy or too hard.
#pragma once

#include <cstdint>
#include <vector>

#include "io/safetensors.h"
#include "rl/rollout.h"

namespace nuri::rl {

class Curriculum {
 public:
  /// drop_after: visits in a row with all answers right, or all wrong, after which a problem of a file is left out; 0:
  /// none is. Keeps a reference.
  Curriculum(const Prompts& prompts, int64_t drop_after);

  /// The next n numbers of the sequence that are asked; the cursor moves behind them. Problems that generators make too
  /// long are passed over, and counted. None where the file is exhausted. Error: nearly all are too long.
  std::vector<uint64_t> next(int64_t& cursor, int64_t n, int64_t& too_long) const;
  /// Every problem of the file is left out.
  bool exhausted() const;
  /// What came of a problem.
  void see(const Group& group);
  int64_t dropped() const;
  /// What checkpoints keep: visits in a row for each problem of the file; none where none is dropped.
  std::vector<NamedTensor> tensors() const;
  /// The same as numbers, and back: for a step that is not made after all.
  std::vector<float> visits() const;
  void restore(const std::vector<float>& visits);

 private:
  bool is_dropped(size_t problem) const;
  const Prompts& prompts_;
  int64_t drop_after_;
  Tensor unvaried_;  ///< f32 [problems of the file]
};

}  // namespace nuri::rl
