// Countdown: the target is what a random expression of the numbers gives, so that there always is a solution. The
// expression joins two of the values that are left until one is left; differences are positive, quotients whole.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tasks/generator.h"
#include "text/korean.h"

namespace nuri::tasks {
namespace {

struct Value {
  int64_t value;
  std::string text;
  bool sum;  // + or - outermost: in parentheses beside * and /
};

std::string in_parentheses(const Value& v) { return v.sum ? "(" + v.text + ")" : v.text; }

Value join(Draw& draw, Value a, Value b) {
  if (a.value < b.value) std::swap(a, b);
  for (;;) {
    switch (draw.below(4)) {
      case 0:
        return {a.value + b.value, fmt::format("{} + {}", a.text, b.text), true};
      case 1:
        if (a.value == b.value) break;
        return {a.value - b.value, fmt::format("{} - {}", a.text, b.sum ? in_parentheses(b) : b.text), true};
      case 2:
        if (a.value * b.value > 10'000) break;
        return {a.value * b.value, fmt::format("{} * {}", in_parentheses(a), in_parentheses(b)), false};
      default:
        if (b.value < 2 || a.value % b.value != 0) break;
        // The divisor in parentheses unless it is a number: a / (b * c).
        const bool plain = b.text.find(' ') == std::string::npos;
        return {a.value / b.value, fmt::format("{} / {}", in_parentheses(a), plain ? b.text : "(" + b.text + ")"),
                false};
    }
  }
}

}  // namespace

Drawn draw_countdown(Draw& draw, bool korean, int difficulty) {
  const int64_t n = std::min(2 + (difficulty + 1) / 2, 6), largest = difficulty < 3 ? 9 : difficulty < 6 ? 25 : 99;
  Drawn out;
  std::vector<Value> values;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t number = draw.between(1, largest);
    out.problem.numbers.push_back(number);
    values.push_back({number, fmt::format("{}", number), false});
  }
  std::string steps;
  while (values.size() > 1) {
    const auto take = [&] {
      const auto at = values.begin() + draw.below(static_cast<int64_t>(values.size()));
      Value v = std::move(*at);
      values.erase(at);
      return v;
    };
    Value a = take(), b = take();
    values.push_back(join(draw, std::move(a), std::move(b)));
    steps += fmt::format("{}{} = {}", steps.empty() ? "" : ", ", values.back().text, values.back().value);
  }
  const int64_t target = values[0].value;
  out.problem.target = target;
  out.problem.answer = values[0].text;
  out.problem.solution = steps;
  std::vector<int64_t> sorted = out.problem.numbers;
  std::sort(sorted.begin(), sorted.end());
  std::string listed, canonical;
  for (const int64_t number : out.problem.numbers) listed += (listed.empty() ? "" : ", ") + fmt::format("{}", number);
  for (const int64_t number : sorted) canonical += fmt::format("{},", number);
  out.canonical = fmt::format("{}={}", canonical, target);
  out.problem.prompt =
      korean ? fmt::format("숫자 {} 각각 한 번까지만 써서 {} 되는 식을 만드세요. 쓸 수 있는 기호: + - * / ( )",
                           ko_object(listed), ko_subject(fmt::format("{}", target)))
             : fmt::format("Use the numbers {}, each at most once, to make {}. Allowed: + - * / ( )", listed, target);
  return out;
}

}  // namespace nuri::tasks
