// Problems as verbs and recipes name them: generators with a difficulty, or files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/generator.h"

namespace nuri::tasks {

struct TaskSpec {
  const GeneratorKind* kind;
  int difficulty;
};
/// "word:5, arithmetic" and so on; without a number the difficulty is `usual`. Errors, naming `where`: no such
/// generator, a difficulty out of range, none named.
std::vector<TaskSpec> parse_tasks(std::string_view text, int usual, const std::string& where);
/// How answers to all of them are scored. Error: they differ.
std::string reward_of(std::span<const TaskSpec> tasks, const std::string& where);

/// "ko", "en" or "both".
ProblemSource::Language parse_language(std::string_view name, const std::string& where);

/// Rows of JSONL (problem_row.h), at most `most` (0: all); one without an id is named by its line. Errors: those of the
/// file and of parse_problem, none at all.
std::vector<Problem> read_problems(const std::filesystem::path& file, int64_t most = 0);

}  // namespace nuri::tasks
