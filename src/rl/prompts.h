// The problems of a run: an endless sequence to learn from, and some held out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tasks/problem_set.h"
#include "tasks/scorer.h"
#include "text/chat_template.h"
#include "train/recipe.h"
#include "train/run_data.h"

namespace nuri::rl {

class Prompts : public RunData {
 public:
  /// recipe_dir: where the recipe's files are looked for. Errors: those of the recipe's tasks, files and reward; a
  /// tokenizer without a chat template.
  Prompts(const std::filesystem::path& tokenizer_dir, const ResolvedRecipe& recipe,
          const std::filesystem::path& recipe_dir);

  /// Problem `number` of the sequence: generators by turns, or a file in another order each epoch.
  tasks::Problem at(uint64_t number) const;
  /// Problems of the file; 0 where generators make them.
  int64_t file_size() const { return static_cast<int64_t>(problems_.size()); }
  /// Of problem `number`, in the file.
  size_t place(uint64_t number) const;
  const std::vector<tasks::Problem>& held_out() const { return held_out_; }
  const tasks::Reward& reward() const { return *reward_; }
  /// Rows of the files whose references the reward cannot judge: they are not asked. A note for each file with some.
  int64_t passed_over() const { return passed_over_; }
  const std::vector<std::string>& notes() const { return notes_; }
  /// Whether a generator's problem leaves room for an answer (those of a file all do).
  bool fits(uint64_t number) const;
  /// The problem as a chat whose only message it is. Error: longer than the recipe's length leaves room for.
  std::vector<int32_t> ids(const tasks::Problem& problem) const;
  /// Ids that end an answer.
  std::vector<int32_t> stop_ids() const { return template_.stop_ids(); }

  std::string hash() const override { return hash_; }
  std::string name() const override { return name_; }
  std::vector<std::string> places() const override { return places_; }
  std::string kind() const override { return "rl"; }

 private:
  std::vector<tasks::Problem> read(const std::filesystem::path& file, int64_t most);

  ChatTemplate template_;
  int64_t longest_prompt_;
  uint64_t seed_;
  std::vector<tasks::ProblemSource> generators_;
  std::vector<tasks::Problem> problems_;  ///< of a file
  std::vector<tasks::Problem> held_out_;
  std::optional<tasks::Reward> reward_;
  std::string hash_, name_;
  std::vector<std::string> places_, notes_;
  int64_t passed_over_ = 0;
};

}  // namespace nuri::rl
