// What `nuri eval` asks: generated problems, files of problems, multiple choice.
#include <fmt/format.h>

#include "base/error.h"
#include "cli/eval.h"
#include "eval/choices.h"
#include "eval/task_files.h"
#include "tasks/problem_set.h"

namespace nuri {
namespace {

constexpr int64_t kProblems = 200;  // of each task, where --count does not say

/// Held-out problems of the generators named: "word", or "word:5" with a difficulty of its own.
void generate_problems(const EvalOptions& o, Questions& q) {
  std::vector<tasks::TaskSpec> specs;
  for (const std::string& task : o.tasks)
    for (const tasks::TaskSpec& spec : tasks::parse_tasks(task, o.difficulty, "--task")) specs.push_back(spec);
  if (o.reward.empty()) q.reward = tasks::reward_of(specs, "--task");
  for (const tasks::TaskSpec& spec : specs) {
    const tasks::ProblemSource source(*spec.kind, tasks::parse_language(o.language, "--language"), spec.difficulty,
                                      o.problem_seed, tasks::Side::held_out);
    const int64_t wanted = o.count > 0 ? o.count : kProblems;
    std::vector<tasks::Problem> problems = source.distinct(wanted);
    if (static_cast<int64_t>(problems.size()) < wanted)
      fmt::print(stderr, "note: {}:{} has {} different held-out problems, {} were asked for\n", spec.kind->name,
                 spec.difficulty, problems.size(), wanted);
    for (tasks::Problem& p : problems) q.problems.push_back(std::move(p));
  }
}

}  // namespace

Questions read_questions(const EvalOptions& o) {
  NURI_CHECK(static_cast<int>(!o.tasks.empty()) + !o.problems.empty() + !o.choices.empty() == 1,
             "name problems: one of --task (also several), --problems FILE and --choices FILE");
  Questions q;
  if (!o.choices.empty()) {
    q.reward = "choice=1";
    for (const ChoiceQuestion& question : read_choices(o.choices, o.count))
      q.problems.push_back(choice_problem(question));
  } else if (!o.problems.empty()) {
    NURI_CHECK(!o.reward.empty(), "--reward is missing: how answers to {} are scored, for instance \"numeric=1\"",
               o.problems);
    q.problems = read_problems(o.problems, tasks::Reward(o.reward, "--reward"), q.passed_over, o.count);
    if (q.passed_over.rows > 0) fmt::print(stderr, "note: {}\n", q.passed_over.text(o.problems));
  } else {
    generate_problems(o, q);
  }
  if (!o.reward.empty()) q.reward = o.reward;
  return q;
}

}  // namespace nuri
