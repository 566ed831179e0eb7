#include "rl/prompts.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "data/permutation.h"
#include "eval/task_files.h"
#include "ledger/provenance.h"

namespace nuri::rl {
namespace {

constexpr int kUsualDifficulty = 3;
constexpr uint64_t kOrderStream = 1;  // of the data order: the first is that of shards
// Index of the first problem drawn: what `nuri tasks make` wrote for fine-tuning with the same seed, from index 0 on,
// is not asked again.
constexpr uint64_t kFirstDrawn = uint64_t{1} << 40;

}  // namespace

Prompts::Prompts(const std::filesystem::path& tokenizer_dir, const ResolvedRecipe& recipe,
                 const std::filesystem::path& recipe_dir)
    : RunData(tokenizer_dir),
      template_(tokenizer()),
      longest_prompt_(recipe.recipe.length - recipe.policy->answer_tokens),
      seed_(static_cast<uint64_t>(recipe.recipe.seed)),
      places_{place_text("tokenizer", tokenizer_dir)} {
  const PolicyRecipe& p = *recipe.policy;
  if (!p.tasks.empty()) {
    const std::vector<tasks::TaskSpec> specs = tasks::parse_tasks(p.tasks, kUsualDifficulty, "tasks");
    reward_.emplace(p.reward.empty() ? tasks::reward_of(specs, "tasks") : p.reward, "reward");
    const auto language = tasks::parse_language(p.language, "language");
    const auto n = static_cast<int64_t>(specs.size());
    for (int64_t i = 0; i < n; ++i) {
      const tasks::TaskSpec& spec = specs[static_cast<size_t>(i)];
      generators_.emplace_back(*spec.kind, language, spec.difficulty, seed_, tasks::Side::train);
      const tasks::ProblemSource apart(*spec.kind, language, spec.difficulty, 0, tasks::Side::held_out);
      for (tasks::Problem& problem : apart.distinct(p.eval_problems / n + (i < p.eval_problems % n)))
        held_out_.push_back(std::move(problem));
    }
    for (const tasks::Problem& problem : held_out_) reward_->check(problem);
    hash_ = fmt::format("{}\n{}\nfrom {}", p.tasks, p.language, kFirstDrawn);
    name_ = "tasks = " + p.tasks;
  } else {
    reward_.emplace(p.reward, "reward");
    const std::filesystem::path file = recipe_dir / p.problems;
    problems_ = read(file, 0);
    places_.push_back(place_text("problems", file));
    if (p.eval_problems > 0) places_.push_back(place_text("held_out", recipe_dir / p.held_out));
    if (p.eval_problems > 0) held_out_ = read(recipe_dir / p.held_out, p.eval_problems);
    hash_ = sha256_file(file) + hash_;
    name_ = file.string();
  }
  // The ids of prompts, and what ends an answer.
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    if (std::filesystem::exists(tokenizer_dir / name)) hash_ += "\n" + sha256_file(tokenizer_dir / name);
  hash_ = sha256(hash_ + "\n" + tokenizer().chat_template());  // which may lie in a file of its own
  for (const auto* problems : {&problems_, &held_out_})
    for (const tasks::Problem& problem : *problems) (void)ids(problem);
}

std::vector<tasks::Problem> Prompts::read(const std::filesystem::path& file, int64_t most) {
  PassedOver passed;
  std::vector<tasks::Problem> out = read_problems(file.string(), *reward_, passed, most);
  if (passed.rows == 0) return out;
  notes_.push_back(passed.text(file.string()));
  passed_over_ += passed.rows;
  hash_ += fmt::format("\nwithout rows {}", fmt::join(passed.lines, ","));  // a later program may judge more
  return out;
}

tasks::Problem Prompts::at(uint64_t number) const {
  if (problems_.empty()) {
    const uint64_t n = generators_.size();
    return generators_[number % n].at(kFirstDrawn + number / n);
  }
  return problems_[place(number)];
}

size_t Prompts::place(uint64_t number) const {
  const uint64_t n = problems_.size();
  const data::Permutation order(n, seed_, kOrderStream + number / n);
  return order(number % n);
}

bool Prompts::fits(uint64_t number) const {
  return !problems_.empty() ||
         static_cast<int64_t>(template_.render(std::vector<Message>{{"user", at(number).prompt}}, true).size()) <=
             longest_prompt_;
}

std::vector<int32_t> Prompts::ids(const tasks::Problem& problem) const {
  std::vector<int32_t> out = template_.render(std::vector<Message>{{"user", problem.prompt}}, true);
  NURI_CHECK(static_cast<int64_t>(out.size()) <= longest_prompt_,
             "problem {} has {} tokens, length and answer_tokens leave {} for a prompt: raise length, lower "
             "answer_tokens, or leave the problem out",
             problem.id, out.size(), longest_prompt_);
  return out;
}

}  // namespace nuri::rl
