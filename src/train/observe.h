// What a run looks at on its way: bits per byte of held-out rows, and samples.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "eval/evaluate.h"
#include "train/metrics.h"
#include "train/source.h"

namespace nuri {

class Observer {
 public:
  /// Keeps references to all of them.
  Observer(DeepseekV3& model, Optimizer& optimizer, const TrainSource& source, const Recipe& recipe, LogWriter& log);

  /// Of at most max_rows held-out rows (0: all). Nothing where none is held out.
  std::optional<EvalResult> evaluate(uint64_t max_rows);
  /// The same, and a row of the log. Error: a loss that is no finite number, naming the op that made the first one.
  std::optional<EvalResult> validate(int64_t step, uint64_t max_rows);
  /// The same of all rows and the average of the weights; nothing where none is kept.
  std::optional<EvalResult> validate_average(int64_t step);
  /// An answer to each prompt of the recipe, in the log.
  void write_samples(int64_t step);

 private:
  DeepseekV3& model_;
  Optimizer& optimizer_;
  const TrainSource& source_;
  const Recipe& recipe_;
  LogWriter& log_;
  std::vector<int32_t> token_bytes_;
};

}  // namespace nuri
