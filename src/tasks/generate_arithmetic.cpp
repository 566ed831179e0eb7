// Chains of operations on whole numbers. The solution writes the expression again after each operation, * before + and
// -, from the left:
//   12 + 7 * 3 = 12 + 21 = 33
#include <fmt/format.h>

#include <vector>

#include "tasks/generator.h"

namespace nuri::tasks {
namespace {

struct Chain {
  std::vector<int64_t> numbers;
  std::string operators;  // between them

  std::string text() const {
    std::string out = fmt::format("{}", numbers[0]);
    for (size_t i = 0; i < operators.size(); ++i) out += fmt::format(" {} {}", operators[i], numbers[i + 1]);
    return out;
  }
  /// One operation done.
  void reduce() {
    size_t at = operators.find('*');
    if (at == std::string::npos) at = 0;
    int64_t& left = numbers[at];
    const int64_t right = numbers[at + 1];
    left = operators[at] == '*' ? left * right : operators[at] == '+' ? left + right : left - right;
    operators.erase(at, 1);
    numbers.erase(numbers.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
};

struct Level {
  int64_t operations, largest;
};
constexpr Level kLevels[kMaxDifficulty] = {{1, 9}, {1, 99}, {2, 20}, {2, 99}, {3, 50}, {3, 99}, {4, 99}, {5, 999}};

}  // namespace

Drawn draw_arithmetic(Draw& draw, bool korean, int difficulty) {
  const Level& level = kLevels[difficulty - 1];
  Chain chain;
  chain.numbers.push_back(draw.between(1, level.largest));
  for (int64_t i = 0; i < level.operations; ++i) {
    const char op = "+-*"[draw.below(3)];
    // Two factors of a product: the second one small, and no product of three.
    const bool twice = op == '*' && !chain.operators.empty() && chain.operators.back() == '*';
    chain.operators += twice ? '+' : op;
    chain.numbers.push_back(draw.between(1, chain.operators.back() == '*' ? 9 : level.largest));
  }
  Drawn out;
  const std::string question = chain.text();
  out.canonical = question;
  std::string solution = question;
  while (!chain.operators.empty()) {
    chain.reduce();
    solution += " = " + chain.text();
  }
  out.problem.answer = fmt::format("{}", chain.numbers[0]);
  out.problem.solution = solution;
  static constexpr const char* kEnglish[] = {"What is {}?", "Calculate {}.", "{} = ?"};
  static constexpr const char* kKorean[] = {"{}의 값은?", "다음을 계산하세요: {}", "{} = ?"};
  const int64_t wording = draw.below(3);
  const std::string_view pattern = korean ? kKorean[wording] : kEnglish[wording];
  const size_t hole = pattern.find("{}");
  out.problem.prompt = std::string(pattern.substr(0, hole)) + question + std::string(pattern.substr(hole + 2));
  return out;
}

}  // namespace nuri::tasks
