// Generators of problems as verbs and recipes name them.
#pragma once

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

}  // namespace nuri::tasks
