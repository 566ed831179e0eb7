// What a model wrote, cut into its reasoning and its answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nuri::tasks {

/// A generation: bytes as they were decoded, which may be no UTF-8, without the token that ended it.
struct Generation {
  std::string_view text;
  int64_t tokens = 0;
  bool finished = true;  ///< by its end token, not by the limit of tokens
};

struct Response {
  std::string_view reasoning;  ///< inside <think> ... </think>
  std::string_view answer;     ///< after the last </think>; all of it where there is none
  /// One block of reasoning from the start, closed once, then an answer: whatever opened it, the template or the text.
  bool well_formed = false;
};
Response cut_response(std::string_view text);

/// Inside the braces of the last \boxed{...} that is closed; nothing without one.
std::optional<std::string_view> last_boxed(std::string_view text);

/// The final answer inside the answer part, by the first of these that is there: the last \boxed{...}; what stands
/// after the last "####"; after the last "Answer:", "answer is", "정답:", "정답은" or "답:" up to the line's end; the
/// whole part. Blanks around it, and a sentence's last dot, are cut off.
std::string_view final_answer(std::string_view answer);

}  // namespace nuri::tasks
