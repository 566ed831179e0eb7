// People in a row by height: each is compared with the next one, in any order and from either side; the solution is the
// row.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "tasks/generator.h"

namespace nuri::tasks {
namespace {

constexpr const char* kNames[] = {"Mina", "Jun", "Sora", "Ben", "Hana", "Leo", "Yuna", "Tom", "Ara", "Max"};
constexpr const char* kNamesKo[] = {"민아", "준호", "소라", "지수", "하나", "태오", "유나", "동규", "아라", "미주"};

}  // namespace

Drawn draw_order(Draw& draw, bool korean, int difficulty) {
  const int64_t n = std::min(2 + (difficulty + 1) / 2 + difficulty / 4, 8);
  std::vector<int64_t> all(std::size(kNames));
  std::iota(all.begin(), all.end(), 0);
  const auto shuffle = [&draw](auto& list) {
    for (int64_t i = static_cast<int64_t>(list.size()) - 1; i > 0; --i)
      std::swap(list[static_cast<size_t>(i)], list[static_cast<size_t>(draw.below(i + 1))]);
  };
  shuffle(all);
  const std::vector<int64_t> row(all.begin(), all.begin() + n);  // the tallest first
  const auto name = [korean](int64_t i) { return std::string(korean ? kNamesKo[i] : kNames[i]); };
  std::vector<std::string> clues;
  for (int64_t i = 0; i + 1 < n; ++i) {
    const std::string tall = name(row[static_cast<size_t>(i)]), small = name(row[static_cast<size_t>(i) + 1]);
    if (draw.below(2) == 0)
      clues.push_back(korean ? fmt::format("{}는 {}보다 큽니다.", tall, small)
                             : fmt::format("{} is taller than {}.", tall, small));
    else
      clues.push_back(korean ? fmt::format("{}는 {}보다 작습니다.", small, tall)
                             : fmt::format("{} is shorter than {}.", small, tall));
  }
  shuffle(clues);
  const int64_t asked = draw.below(difficulty < 5 ? 2 : 3);  // the tallest, the shortest, the second tallest
  static constexpr const char* kAsked[] = {"Who is the tallest?", "Who is the shortest?", "Who is the second tallest?"};
  static constexpr const char* kAskedKo[] = {"누가 가장 큽니까?", "누가 가장 작습니까?", "누가 두 번째로 큽니까?"};
  Drawn out;
  for (const std::string& clue : clues) out.problem.prompt += clue + " ";
  out.problem.prompt += korean ? kAskedKo[asked] : kAsked[asked];
  for (const int64_t i : row) {
    out.problem.solution += (out.problem.solution.empty() ? "" : " > ") + name(i);
    out.canonical += fmt::format("{},", i);
  }
  out.canonical += fmt::format("?{}", asked);
  out.problem.answer = name(asked == 0 ? row[0] : asked == 1 ? row.back() : row[1]);
  return out;
}

}  // namespace nuri::tasks
