// Files of tasks: JSONL, also .gz and .zst.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tasks/problem.h"
#include "tasks/scorer.h"

namespace nuri {

/// see(row, "FILE: line N", N) for each row that is not blank, until it has been true `most` times (0: all). Errors:
/// those of the file, a row of more than 16 MiB, no row at all.
void for_each_task_row(const std::string& path, int64_t most,
                       const std::function<bool(const std::string& row, const std::string& where, uint64_t line)>& see);

/// Rows of a file that the scorers cannot judge, and why.
struct PassedOver {
  int64_t rows = 0, of = 0;  ///< rows passed over, of those that were read
  std::vector<std::string>
      first;                    ///< "FILE: line 3: numeric: the reference '...' is no number", at most kFirstPassedOver
  std::vector<uint64_t> lines;  ///< all of them
  /// For a line on standard error, without a line feed; empty where there are none.
  std::string text(const std::string& path) const;
};
inline constexpr size_t kFirstPassedOver = 3;

/// Problems of a file (tasks/problem_row.h) whose answers `reward` can judge, at most `most` of them (0: all); one
/// without an id is named by its line. The others are counted in `passed_over`. Errors: those of for_each_task_row and
/// of parse_problem; no row is left.
std::vector<tasks::Problem> read_problems(const std::string& path, const tasks::Reward& reward, PassedOver& passed_over,
                                          int64_t most = 0);

}  // namespace nuri
