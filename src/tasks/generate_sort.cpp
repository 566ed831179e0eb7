// Numbers in ascending order. The solution takes the smallest of those left, again and again.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tasks/generator.h"

namespace nuri::tasks {

Drawn draw_sort(Draw& draw, bool korean, int difficulty) {
  const int64_t n = difficulty + 2, largest = difficulty < 3 ? 20 : difficulty < 6 ? 99 : 999;
  std::vector<int64_t> numbers;
  while (static_cast<int64_t>(numbers.size()) < n) {
    const int64_t number = draw.between(1, largest);
    if (std::find(numbers.begin(), numbers.end(), number) == numbers.end()) numbers.push_back(number);
  }
  const auto listed = [](const std::vector<int64_t>& all, size_t first) {
    std::string out;
    for (size_t i = first; i < all.size(); ++i) out += (i > first ? " " : "") + fmt::format("{}", all[i]);
    return out;
  };
  Drawn out;
  const std::string question = listed(numbers, 0);
  std::vector<int64_t> left = numbers;
  while (!left.empty()) {
    const auto smallest = std::min_element(left.begin(), left.end());
    const int64_t value = *smallest;
    left.erase(smallest);
    out.problem.solution += fmt::format("{}{}", value, left.empty() ? "" : " | " + listed(left, 0) + "\n");
  }
  std::sort(numbers.begin(), numbers.end());
  out.problem.answer = out.canonical = listed(numbers, 0);
  out.problem.prompt = korean ? fmt::format("작은 수부터 차례로 쓰세요: {}", question)
                              : fmt::format("Sort from the smallest to the largest: {}", question);
  return out;
}

}  // namespace nuri::tasks
