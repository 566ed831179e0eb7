// The reference itself: letter case (ASCII), runs of blanks and a sentence's last dot do not count.
#include "tasks/scorer.h"

namespace nuri::tasks {
namespace {

std::string plain(std::string_view text) {
  std::string out;
  bool blank = false;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      blank = !out.empty();
      continue;
    }
    if (blank) out += ' ';
    blank = false;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  if (out.ends_with('.')) out.pop_back();
  return out;
}

}  // namespace

Score make_exact(ScorerArguments&) {
  return [](const Scored& s) {
    const std::string_view final = final_answer(s.response.answer);
    // Much longer than the reference: no need to look at each byte of a megabyte.
    if (final.size() > 4 * s.problem.answer.size() + 64) return 0.0;
    return plain(final) == plain(s.problem.answer) ? 1.0 : 0.0;
  };
}

}  // namespace nuri::tasks
