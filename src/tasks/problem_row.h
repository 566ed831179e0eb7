// Problems as rows of JSONL files: our own, and those of known sets by their keys.
#pragma once

#include <string>
#include <string_view>

#include "tasks/problem.h"

namespace nuri::tasks {

/// Our own form: the keys of Problem, of which prompt and answer are needed; answer is taken to the letter. Known sets
/// are read by what they call the question (question, problem, query, input; instruction with its input; context,
/// passage or body before it, where it is a text) and the answer: final, final_answer, expected_answer, reference,
/// target to the letter; answer, output, solution, response up to what marks the answer in them, "#### " (GSM8K) or the
/// last \boxed{} (MATH), what stands before being the worked solution. A first letter may be a capital. The category is
/// also looked for in task, subject and type. A solution is a text or the first of a list, a language a text, else they
/// are passed over; a float that is whole is written as a whole number. Other keys are kept out. Errors, naming
/// `where`: no JSON object, a key of a wrong kind, no question or answer, multiple choice.
Problem parse_problem(std::string_view row, const std::string& where);

/// One line of JSON with the keys that are set; no line feed.
std::string problem_row(const Problem& problem);
/// The same as a chat with its worked solution as the thought, for fine-tuning: {"messages": [...]}.
std::string chat_row(const Problem& problem);

}  // namespace nuri::tasks
