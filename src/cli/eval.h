// Options of `nuri eval` and its questions.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "cli/model_options.h"
#include "eval/solve.h"
#include "eval/task_files.h"
#include "tasks/problem.h"

namespace nuri {

struct EvalOptions {
  ModelOptions model;
  SamplingOptions sampling;
  std::vector<std::string> tasks;
  std::string problems, choices, reward, language = "both", out, against, contamination, report;
  int64_t count = 0, samples = 1, seeds = 1, max_tokens = 256, batch = 64;
  int difficulty = 3;
  uint64_t problem_seed = 0;
  bool json = false, generate = false;
};

/// Problems and how they are scored.
struct Questions {
  std::vector<tasks::Problem> problems;
  std::string reward;
  PassedOver passed_over;  ///< of a file
};
/// Those of --task, --problems or --choices, all of which the reward can judge; rows of a file that it cannot are told
/// of on standard error. Errors: none or several of them named, a file without --reward, no row left.
Questions read_questions(const EvalOptions& options);

/// A row of the table: as JSON, or as a line under the heading.
OrderedJson solved_json(const Solved& solved);
void print_solved_heading(const Solved& solved);
void print_solved(const std::string& what, const Solved& solved);

}  // namespace nuri
