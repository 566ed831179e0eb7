#include "rl/prompts.h"

#include <gtest/gtest.h>

#include <set>

#include "base/file.h"
#include "base/test_support.h"
#include "tasks/generator.h"
#include "tasks/problem_row.h"
#include "text/tokenizer_train.h"

namespace nuri::rl {
namespace {

namespace fs = std::filesystem;

void write_tokenizer(const fs::path& dir) {
  TokenizerTrainOptions options;
  options.vocab_size = 300;
  const TrainedTokenizer trained = train_tokenizer(
      [n = 0](std::string& document) mutable { return document = "text of a chat, 누리", n++ < 4; }, options);
  write_file_atomic(dir / "tokenizer.json", trained.tokenizer_json);
  write_file_atomic(dir / "tokenizer_config.json", trained.tokenizer_config_json);
}

class PromptsTest : public testing::Test {
 protected:
  void SetUp() override {
    write_tokenizer(dir_.path());
    recipe_.policy.emplace();
    recipe_.recipe.length = 400;
    recipe_.policy->answer_tokens = 100;
    recipe_.policy->eval_problems = 20;
  }
  Prompts open() const { return Prompts(dir_.path(), recipe_, dir_.path()); }

  test::TempDir dir_;
  ResolvedRecipe recipe_;
};

TEST_F(PromptsTest, GeneratorsComeByTurnsAndNothingHeldOutIsAsked) {
  recipe_.policy->tasks = "sort:1, letters:2, order:1";
  const Prompts prompts = open();
  EXPECT_EQ(prompts.held_out().size(), 20u);
  std::set<std::string> held_out;
  for (const tasks::Problem& p : prompts.held_out()) held_out.insert(p.prompt);
  for (uint64_t i = 0; i < 300; ++i) {
    const tasks::Problem p = prompts.at(i);
    EXPECT_EQ(p.category, (std::vector<std::string>{"sort", "letters", "order"})[i % 3]);
    EXPECT_FALSE(held_out.contains(p.prompt)) << p.prompt;
    EXPECT_EQ(prompts.at(i).prompt, p.prompt);
  }
  EXPECT_EQ(prompts.reward().parts()[0].name, "exact");
  recipe_.policy->tasks = "sort:1, word:1";
  EXPECT_NE(test::error_of([&] { (void)open(); }).find("name one reward for all"), std::string::npos);
  recipe_.policy->reward = "exact=1";
  EXPECT_NE(open().hash(), prompts.hash());
}

// `nuri tasks make --seed 5` and `nuri rl --set seed=5`: what was learned from solutions is not asked again in order.
TEST_F(PromptsTest, ProblemsMadeForFineTuningWithTheSameSeedDoNotComeAgain) {
  recipe_.policy->tasks = "sort:4";
  recipe_.recipe.seed = 5;
  const Prompts prompts = open();
  const tasks::ProblemSource made(tasks::generator_named("sort", "test"), tasks::ProblemSource::Language::both, 4, 5,
                                  tasks::Side::train);
  std::set<std::string> learned;
  for (uint64_t i = 0; i < 2000; ++i) learned.insert(made.at(i).prompt);
  int again = 0;
  for (uint64_t i = 0; i < 2000; ++i) again += learned.contains(prompts.at(i).prompt);
  EXPECT_LT(again, 5);  // of 99!/93! numbers, 2,000 are few
}

TEST_F(PromptsTest, AFileIsTakenWholeInEachEpochAndInAnotherOrder) {
  std::string rows;
  for (int i = 0; i < 50; ++i) rows += tasks::problem_row({.prompt = fmt::format("q{}", i), .answer = "1"}) + "\n";
  write_file_atomic(dir_.path() / "problems.jsonl", rows);
  recipe_.policy->problems = recipe_.policy->held_out = "problems.jsonl";
  recipe_.policy->reward = "exact=1";
  const Prompts prompts = open();
  EXPECT_EQ(prompts.held_out().size(), 20u);
  std::vector<std::string> epochs[2];
  for (uint64_t i = 0; i < 100; ++i) epochs[i / 50].push_back(prompts.at(i).prompt);
  EXPECT_NE(epochs[0], epochs[1]);
  for (const auto& epoch : epochs) EXPECT_EQ(std::set<std::string>(epoch.begin(), epoch.end()).size(), 50u);

  recipe_.policy->reward = "numeric=1, countdown=1";  // Countdown needs numbers
  EXPECT_NE(test::error_of([&] { (void)open(); }).find("problems.jsonl: line 1"), std::string::npos);
  recipe_.policy->reward = "exact=1";
  recipe_.recipe.length = 103;
  EXPECT_NE(test::error_of([&] { (void)open(); }).find("leave 3 for a prompt"), std::string::npos);
}

TEST_F(PromptsTest, RowsThatTheRewardCannotJudgeAreNotAsked) {
  std::string rows;
  for (int i = 0; i < 30; ++i)
    rows +=
        tasks::problem_row({.prompt = fmt::format("q{}", i), .answer = i % 10 == 3 ? "many" : "\\frac{1}{2}"}) + "\n";
  write_file_atomic(dir_.path() / "problems.jsonl", rows);
  recipe_.policy->problems = recipe_.policy->held_out = "problems.jsonl";
  recipe_.policy->reward = "numeric=1, format=0.1";
  const Prompts prompts = open();
  EXPECT_EQ(prompts.file_size(), 27);
  EXPECT_EQ(prompts.held_out().size(), 20u);  // those that are left count
  EXPECT_EQ(prompts.passed_over(), 3 + 2);    // of both files, as far as each was read
  ASSERT_EQ(prompts.notes().size(), 2u);
  EXPECT_NE(prompts.notes()[0].find("3 of 30 rows"), std::string::npos) << prompts.notes()[0];
  EXPECT_NE(prompts.notes()[0].find("problems.jsonl: line 4: numeric: the reference 'many'"), std::string::npos);
  std::set<std::string> asked;
  for (uint64_t i = 0; i < 27; ++i) asked.insert(prompts.at(i).prompt);
  EXPECT_EQ(asked.size(), 27u);
  EXPECT_FALSE(asked.contains("q3") || asked.contains("q13") || asked.contains("q23"));
  // Another set of rows is other data: resuming with it is refused.
  recipe_.policy->reward = "exact=1";
  const Prompts all = open();
  EXPECT_EQ(all.passed_over(), 0);
  EXPECT_NE(all.hash(), prompts.hash());
}

}  // namespace
}  // namespace nuri::rl
