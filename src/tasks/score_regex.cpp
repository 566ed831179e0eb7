// The reference is a regular expression (Ruby's syntax, as in tokenizer files); it is looked for in the last 64 KiB of
// the answer. One that takes more steps than allowed is not found.
#include "base/error.h"
#include "tasks/scorer.h"
#include "text/regex.h"
#include "text/utf8.h"

namespace nuri::tasks {

void check_regex(const Problem& problem) { (void)Regex(problem.answer, "the reference"); }

Score make_regex(ScorerArguments&) {
  return [](const Scored& s) {
    constexpr size_t kSeen = 64 << 10;
    std::string text;
    const std::string_view answer = s.response.answer;
    append_utf8_lossy(answer.substr(answer.size() - std::min(answer.size(), kSeen)), text);
    try {
      RegexScratch scratch;
      size_t begin = 0, end = 0;
      return Regex(s.problem.answer, s.problem.id).find(text, 0, scratch, begin, end) ? 1.0 : 0.0;
    } catch (const Error&) {
      return 0.0;
    }
  };
}

}  // namespace nuri::tasks
