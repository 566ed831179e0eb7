// The letter of a choice, alone or before the choice itself: C, (C), C., C) text.
#include "base/error.h"
#include "tasks/scorer.h"

namespace nuri::tasks {

void check_choice(const Problem& problem) {
  const std::string& answer = problem.answer;
  NURI_CHECK(answer.size() == 1 && answer[0] >= 'A' && answer[0] <= 'Z',
             "choice needs one letter A to Z as the reference, found '{}'", shortened(answer));
}

Score make_choice(ScorerArguments&) {
  return [](const Scored& s) {
    std::string_view final = final_answer(s.response.answer);
    while (!final.empty() && (final[0] == '(' || final[0] == '*' || final[0] == ' ')) final.remove_prefix(1);
    if (final.empty() || final[0] != s.problem.answer[0]) return 0.0;
    final.remove_prefix(1);
    // Alone, before a mark, or before Hangul ("C입니다"): "A dog" and "An answer" begin with a word.
    constexpr std::string_view kMarks = ".):,]*\n\r\t";
    const bool alone = final.empty() || kMarks.find(final[0]) != std::string_view::npos;
    return alone || static_cast<unsigned char>(final[0]) >= 0x80 ? 1.0 : 0.0;
  };
}

}  // namespace nuri::tasks
