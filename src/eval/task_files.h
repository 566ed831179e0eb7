// Files of tasks: JSONL, also .gz and .zst.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tasks/problem.h"

namespace nuri {

/// see(row, "FILE: line N", N) for each row that is not blank, until `most` have been seen (0: all). Errors: those of
/// the file, a row of more than 16 MiB, no row at all.
void for_each_task_row(const std::string& path, int64_t most,
                       const std::function<void(const std::string& row, const std::string& where, uint64_t line)>& see);

/// Problems of a file (tasks/problem_row.h); one without an id is named by its line. Errors: those of for_each_task_row
/// and of parse_problem.
std::vector<tasks::Problem> read_problems(const std::string& path, int64_t most = 0);

}  // namespace nuri
