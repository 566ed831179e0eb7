#include "eval/task_files.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/test_support.h"
#include "eval/choices.h"
#include "tasks/problem_row.h"

namespace nuri {
namespace {

TEST(ReadProblems, RowsThatCannotBeJudgedAreCountedAndPassedOver) {
  const test::TempDir dir;
  const std::string path = (dir.path() / "p.jsonl").string();
  write_file_atomic(path,
                    "{\"question\": \"a\", \"answer\": \"so\\n#### 7\"}\n"
                    "\n"
                    "{\"question\": \"b\", \"answer\": \"Seoul\"}\n"
                    "{\"id\": \"x\", \"question\": \"c\", \"answer\": \"(1, 2)\"}\n"
                    "{\"question\": \"d\", \"answer\": \"\\\\frac{1}{2}\"}\n"
                    "{\"question\": \"e\", \"answer\": \"\"}\n"
                    "{\"question\": \"f\", \"answer\": \"maybe\"}\n");
  const tasks::Reward numeric("numeric=1, format=0.1", "r");
  PassedOver passed;
  const std::vector<tasks::Problem> problems = read_problems(path, numeric, passed);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].prompt + problems[1].prompt, "ad");
  EXPECT_EQ(problems[1].id, path + ": line 5");
  EXPECT_EQ(passed.rows, 4);
  EXPECT_EQ(passed.of, 6);
  EXPECT_EQ(passed.lines, (std::vector<uint64_t>{3, 4, 6, 7}));
  ASSERT_EQ(passed.first.size(), kFirstPassedOver);
  EXPECT_EQ(passed.first[0], path + ": line 3: numeric: the reference 'Seoul' is no number of at most 18 digits");
  const std::string text = passed.text(path);
  EXPECT_NE(text.find("4 of 6 rows"), std::string::npos) << text;
  EXPECT_NE(text.find("line 4: numeric"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("...")) << text;
  // Of `most`, those that are passed over do not count.
  PassedOver two;
  EXPECT_EQ(read_problems(path, numeric, two, 2).size(), 2u);
  EXPECT_EQ(two.rows, 2);
  PassedOver none;
  EXPECT_EQ(read_problems(path, tasks::Reward("exact", "r"), none).size(), 6u);
  EXPECT_EQ(none.rows, 0);
  EXPECT_EQ(none.text(path), "");
  PassedOver all;
  const std::string error = test::error_of([&] { (void)read_problems(path, tasks::Reward("countdown", "r"), all); });
  for (const char* part : {"6 of 6", "line 1", "numbers and a target", "No row is left", "nuri tasks list"})
    EXPECT_NE(error.find(part), std::string::npos) << error;
}

struct ProblemFile {
  const char *name, *reward;
  size_t rows;  // left
  int64_t passed_over;
};

// Every set of open questions of the shared data, with the scorers that fit it.
TEST(ReadProblems, TheRealFiles) {
  NURI_SHARED_OR_SKIP(shared);
  const ProblemFile files[] = {
      {"gsm8k_train_en.jsonl", "numeric", 7473, 0},    {"gsm8k_train_en.jsonl", "fraction", 7473, 0},
      {"gsm8k_train_en.jsonl", "expression", 7473, 0}, {"svamp_en.jsonl", "numeric", 1000, 0},
      {"mwp_ko.jsonl", "numeric", 2142, 458},          {"mwp_ko.jsonl", "exact", 2600, 0},
      {"math_en.jsonl.zst", "numeric", 4067, 933},     {"math_en.jsonl.zst", "fraction", 4067, 933},
      {"math_en.jsonl.zst", "expression", 4070, 930},  {"math_en.jsonl.zst", "exact", 5000, 0},
      {"bbh_en.jsonl.zst", "exact", 6511, 0},          {"triviaqa_small_en.jsonl", "exact", 3000, 0},
      {"chatbot_ko.jsonl", "exact", 10286, 0}};
  for (const ProblemFile& file : files) {
    const std::string path = (shared / "data/tasks" / file.name).string();
    PassedOver passed;
    const std::vector<tasks::Problem> problems = read_problems(path, tasks::Reward(file.reward, "r"), passed);
    EXPECT_EQ(problems.size(), file.rows) << file.name << " " << file.reward;
    EXPECT_EQ(passed.rows, file.passed_over) << file.name << " " << file.reward;
    for (const tasks::Problem& p : problems) ASSERT_FALSE(p.prompt.empty() || p.answer.empty()) << p.id;
  }
}

struct ChoiceFile {
  const char* name;
  size_t rows, choices;  // choices: of all rows
};

// Every set of multiple choice, both ways: by likelihood, and as a question whose answer is a letter.
TEST(ReadChoices, TheRealFiles) {
  NURI_SHARED_OR_SKIP(shared);
  const ChoiceFile files[] = {
      {"aqua_en.jsonl", 508, 2540},        {"arc_challenge_en.jsonl", 1172, 4688},  {"arc_easy_en.jsonl", 2376, 9504},
      {"boolq_en.jsonl.zst", 3270, 6540},  {"commonsense_qa_en.jsonl", 1221, 4884}, {"kobbq_ko.jsonl", 1740, 5220},
      {"openbook_qa_en.jsonl", 500, 2000}, {"winogrande_en.jsonl", 1267, 2534}};
  const tasks::Reward letter("choice", "r");
  for (const ChoiceFile& file : files) {
    const std::vector<ChoiceQuestion> questions = read_choices((shared / "data/tasks" / file.name).string(), 0);
    EXPECT_EQ(questions.size(), file.rows) << file.name;
    size_t choices = 0;
    for (const ChoiceQuestion& q : questions) {
      ASSERT_LT(q.gold, q.endings.size()) << file.name << " " << q.id;
      choices += q.endings.size();
      const tasks::Problem p = choice_problem(q);
      ASSERT_EQ(letter.cannot_judge(p), "") << file.name << " " << q.id;
      const std::string answer(1, static_cast<char>('A' + q.gold));
      ASSERT_EQ(letter.of(p, {answer, 1, true}), 1) << file.name << " " << q.id;
      ASSERT_NE(("\n" + p.prompt).find("\n" + answer + ". "), std::string::npos) << p.prompt;
    }
    EXPECT_EQ(choices, file.choices) << file.name;
  }
}

TEST(TaskFiles, OfAnotherKindAreRefusedWithTheShapesThatAreRead) {
  NURI_SHARED_OR_SKIP(shared);
  const tasks::Reward exact("exact", "r");
  for (const char* name : {"nsmc_sentiment_ko.jsonl", "klue_ner_ko.jsonl", "langid.jsonl", "mt_bench_en.jsonl"}) {
    const std::string path = (shared / "data/tasks" / name).string();
    PassedOver passed;
    const std::string open = test::error_of([&] { (void)read_problems(path, exact, passed); }),
                      chosen = test::error_of([&] { (void)read_choices(path, 0); });
    EXPECT_NE(open.find("line 1: a problem needs"), std::string::npos) << open;
    EXPECT_NE(chosen.find("line 1: no choices; a row needs"), std::string::npos) << chosen;
  }
  PassedOver passed;
  const std::string arc = (shared / "data/tasks/arc_easy_en.jsonl").string();
  EXPECT_NE(test::error_of([&] { (void)read_problems(arc, exact, passed); }).find("--choices"), std::string::npos);
}

}  // namespace
}  // namespace nuri
