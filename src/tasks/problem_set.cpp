#include "tasks/problem_set.h"

#include <algorithm>

#include "base/error.h"
#include "tasks/lookup.h"

namespace nuri::tasks {

std::vector<TaskSpec> parse_tasks(std::string_view text, int usual, const std::string& where) {
  std::vector<TaskSpec> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view item = trimmed(text.substr(begin, end - begin));
    begin = end + 1;
    const size_t colon = std::min(item.find(':'), item.size());
    TaskSpec spec{&generator_named(item.substr(0, colon), where), usual};
    if (colon < item.size()) {
      const std::string_view digits = item.substr(colon + 1);
      NURI_CHECK(digits.size() == 1 && digits[0] >= '1' && digits[0] <= '0' + kMaxDifficulty,
                 "{} {}: the difficulty behind the colon is 1 to {}", where, item, kMaxDifficulty);
      spec.difficulty = digits[0] - '0';
    }
    out.push_back(spec);
  }
  return out;
}

std::string reward_of(std::span<const TaskSpec> tasks, const std::string& where) {
  for (const TaskSpec& task : tasks)
    NURI_CHECK(std::string_view(task.kind->reward) == tasks[0].kind->reward,
               "{}: answers to {} are scored by {}, those to {} by {}; take them apart, or name one reward for all",
               where, task.kind->name, task.kind->reward, tasks[0].kind->name, tasks[0].kind->reward);
  return tasks[0].kind->reward;
}

ProblemSource::Language parse_language(std::string_view name, const std::string& where) {
  using Language = ProblemSource::Language;
  if (name == "ko") return Language::korean;
  if (name == "en") return Language::english;
  NURI_CHECK(name == "both", "{} {}; allowed are ko, en and both", where, name);
  return Language::both;
}

}  // namespace nuri::tasks
