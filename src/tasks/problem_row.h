// Problems as rows of JSONL files: our own, and those of known sets by their keys.
#pragma once

#include <string>
#include <string_view>

#include "tasks/problem.h"

namespace nuri::tasks {

/// The keys of Problem: prompt and answer are needed, the others may be absent. A row {"question", "final"} is also
/// taken (grade school mathematics: "answer", where a string, is the worked solution up to "####"), {"problem",
/// "final"} and {"input", "target"} (its category: "task"). Other keys are kept out. Errors, naming `where`: no JSON
/// object, a key of a wrong kind, none of these forms.
Problem parse_problem(std::string_view row, const std::string& where);

/// One line of JSON with the keys that are set; no line feed.
std::string problem_row(const Problem& problem);
/// The same as a chat with its worked solution as the thought, for fine-tuning: {"messages": [...]}.
std::string chat_row(const Problem& problem);

}  // namespace nuri::tasks
