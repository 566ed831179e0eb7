#include "eval/task_files.h"

#include "base/error.h"
#include "data/clean.h"
#include "data/line_reader.h"
#include "tasks/problem_row.h"

namespace nuri {

void for_each_task_row(const std::string& path, int64_t most,
                       const std::function<void(const std::string&, const std::string&, uint64_t)>& see) {
  constexpr uint64_t kMaxRowBytes = uint64_t(1) << 24;
  data::LineReader lines(path, kMaxRowBytes);
  int64_t n = 0;
  for (data::Line line; (most == 0 || n < most) && lines.next(line);) {
    const std::string where = fmt::format("{}: line {}", path, line.number);
    NURI_CHECK(!line.too_long, "{}: longer than {} bytes", where, kMaxRowBytes);
    if (line.text.find_first_not_of(" \t\r") == std::string::npos) continue;
    see(line.text, where, line.number);
    ++n;
  }
  NURI_CHECK(n > 0, "{}: no rows", path);
}

std::vector<tasks::Problem> read_problems(const std::string& path, int64_t most) {
  std::vector<tasks::Problem> out;
  for_each_task_row(path, most, [&](const std::string& row, const std::string& where, uint64_t) {
    out.push_back(tasks::parse_problem(row, where));
    if (out.back().id.empty()) out.back().id = where;
  });
  return out;
}

}  // namespace nuri
