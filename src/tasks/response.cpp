#include "tasks/response.h"

#include <algorithm>
#include <array>

#include "tasks/lookup.h"

namespace nuri::tasks {
namespace {

constexpr std::string_view kOpen = "<think>", kClose = "</think>";

constexpr std::array<std::string_view, 7> kMarkers = {
    "Answer:", "answer:", "answer is", "정답:", "정답은", "답:", "답은"};

}  // namespace

// From the end, so that each byte is looked at by one call only.
std::optional<std::string_view> last_boxed(std::string_view text) {
  constexpr std::string_view kBoxed = "\\boxed{";
  size_t end = text.size();
  while (true) {
    const size_t at = text.substr(0, end).rfind(kBoxed);
    if (at == std::string_view::npos) return {};
    const size_t begin = at + kBoxed.size();
    int depth = 1;
    for (size_t i = begin; i < end; ++i) {
      if (text[i] == '{') ++depth;
      if (text[i] == '}' && --depth == 0) return text.substr(begin, i - begin);
    }
    end = at;  // not closed before the next one begins: an earlier one
  }
}

Response cut_response(std::string_view text) {
  Response out;
  const size_t last = text.rfind(kClose);
  if (last == std::string_view::npos) {
    out.answer = text;
    return out;
  }
  std::string_view reasoning = text.substr(0, last);
  out.answer = text.substr(last + kClose.size());
  const std::string_view start = trimmed(reasoning);
  if (start.starts_with(kOpen)) reasoning = start.substr(kOpen.size());
  out.reasoning = trimmed(reasoning);
  const auto holds_mark = [](std::string_view part) {
    return part.find(kOpen) != std::string_view::npos || part.find(kClose) != std::string_view::npos;
  };
  out.well_formed =
      !holds_mark(reasoning) && !holds_mark(out.answer) && !out.reasoning.empty() && !trimmed(out.answer).empty();
  return out;
}

std::string_view final_answer(std::string_view answer) {
  const auto tidy = [](std::string_view text) {
    text = trimmed(text);
    if (text.ends_with('.')) text = trimmed(text.substr(0, text.size() - 1));
    return text;
  };
  if (const auto boxed = last_boxed(answer)) return tidy(*boxed);
  if (const size_t at = answer.rfind("####"); at != std::string_view::npos) return tidy(answer.substr(at + 4));
  size_t begin = 0;
  for (const std::string_view marker : kMarkers)
    if (const size_t at = answer.rfind(marker); at != std::string_view::npos)
      begin = std::max(begin, at + marker.size());
  if (begin == 0) return tidy(answer);
  return tidy(answer.substr(begin, answer.find('\n', begin) - begin));
}

}  // namespace nuri::tasks
