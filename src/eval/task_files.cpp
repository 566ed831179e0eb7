#include "eval/task_files.h"

#include "base/error.h"
#include "data/clean.h"
#include "data/line_reader.h"
#include "tasks/problem_row.h"

namespace nuri {

void for_each_task_row(const std::string& path, int64_t most,
                       const std::function<bool(const std::string&, const std::string&, uint64_t)>& see) {
  constexpr uint64_t kMaxRowBytes = uint64_t(1) << 24;
  data::LineReader lines(path, kMaxRowBytes);
  int64_t rows = 0, taken = 0;
  for (data::Line line; (most == 0 || taken < most) && lines.next(line);) {
    const std::string where = fmt::format("{}: line {}", path, line.number);
    NURI_CHECK(!line.too_long, "{}: longer than {} bytes", where, kMaxRowBytes);
    if (line.text.find_first_not_of(" \t\r") == std::string::npos) continue;
    taken += see(line.text, where, line.number);
    ++rows;
  }
  NURI_CHECK(rows > 0, "{}: no rows", path);
}

std::string PassedOver::text(const std::string& path) const {
  if (rows == 0) return {};
  std::string out = fmt::format("{}: {} of {} rows are passed over, their references cannot be judged", path, rows, of);
  for (const std::string& reason : first) out += "\n  " + reason;
  if (static_cast<size_t>(rows) > first.size()) out += "\n  ...";
  return out;
}

std::vector<tasks::Problem> read_problems(const std::string& path, const tasks::Reward& reward, PassedOver& passed_over,
                                          int64_t most) {
  std::vector<tasks::Problem> out;
  for_each_task_row(path, most, [&](const std::string& row, const std::string& where, uint64_t line) {
    tasks::Problem problem = tasks::parse_problem(row, where);
    if (problem.id.empty()) problem.id = where;
    ++passed_over.of;
    if (const std::string reason = reward.cannot_judge(problem); !reason.empty()) {
      if (passed_over.first.size() < kFirstPassedOver) passed_over.first.push_back(where + ": " + reason);
      passed_over.lines.push_back(line);
      ++passed_over.rows;
      return false;
    }
    out.push_back(std::move(problem));
    return true;
  });
  NURI_CHECK(!out.empty(),
             "{}\nNo row is left: name another scorer (`nuri tasks list`), exact for texts, expression for sums and "
             "products, or mend the references",
             passed_over.text(path));
  return out;
}

}  // namespace nuri
