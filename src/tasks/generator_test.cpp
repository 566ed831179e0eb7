#include "tasks/generator.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "tasks/problem_row.h"
#include "tasks/scorer.h"

namespace nuri::tasks {
namespace {

TEST(Generator, SolutionsAreRightAndSidesNeverMeet) {
  for (const GeneratorKind& kind : generator_kinds())
    for (int difficulty = 1; difficulty <= kMaxDifficulty; ++difficulty) {
      std::set<std::string> seen[2];
      for (const Side side : {Side::train, Side::held_out}) {
        const ProblemSource source(kind, ProblemSource::Language::both, difficulty, 1, side);
        const Reward reward(kind.reward, kind.name);
        for (uint64_t i = 0; i < 60; ++i) {
          const Problem p = source.at(i);
          reward.check(p);
          EXPECT_EQ(p.language, i % 2 == 0 ? "ko" : "en");
          EXPECT_FALSE(p.prompt.empty() || p.solution.empty());
          EXPECT_EQ(reward.of(p, {p.solution + "</think>" + p.answer, 10, true}), 1) << p.id << " " << p.prompt;
          EXPECT_EQ(reward.of(p, {p.solution + "</think>" + p.answer + "9", 10, true}), 0) << p.id << " " << p.prompt;
          EXPECT_EQ(p.prompt, source.at(i).prompt);
          seen[side == Side::train].insert(p.language + p.prompt);
        }
      }
      for (const std::string& prompt : seen[0]) EXPECT_EQ(seen[1].count(prompt), 0u) << prompt;
    }
}

TEST(Generator, TheSideIsThatOfTheQuestionInEveryLanguage) {
  const GeneratorKind& kind = generator_named("word", "test");
  for (uint64_t i = 0; i < 200; ++i) {
    Draw korean(7, i), english(7, i);
    EXPECT_EQ(kind.draw(korean, true, 3).canonical, kind.draw(english, false, 3).canonical);
  }
  int64_t held_out = 0;
  for (int64_t i = 0; i < 8000; ++i) held_out += side_of("question " + std::to_string(i)) == Side::held_out;
  EXPECT_NEAR(static_cast<double>(held_out), 1000, 4 * 30);  // four standard deviations
  EXPECT_THROW(generator_named("arithmetik", "test"), Error);
}

TEST(ProblemRow, OwnAndKnownForms) {
  const Problem p =
      parse_problem(R"({"id": 4, "question": "9 * 3?", "answer": "so 27\n#### 27", "final": "27", "class": "x"})", "f");
  EXPECT_EQ(p.id, "4");
  EXPECT_EQ(p.prompt, "9 * 3?");
  EXPECT_EQ(p.answer, "27");
  EXPECT_EQ(p.solution, "so 27\n");
  const ProblemSource source(generator_named("countdown", "test"), ProblemSource::Language::both, 4, 1, Side::train);
  for (uint64_t i = 0; i < 10; ++i) {
    const Problem made = source.at(i), read = parse_problem(problem_row(made), "row");
    EXPECT_EQ(problem_row(read), problem_row(made));
    EXPECT_EQ(read.target, made.target);
  }
  const Problem exam = parse_problem(R"({"task": "logic", "input": "not True is", "target": "False"})", "f");
  EXPECT_EQ(exam.prompt + "|" + exam.answer + "|" + exam.category, "not True is|False|logic");
  EXPECT_FALSE(exam.target);
  const Problem gsm8k =
      parse_problem(R"({"question": "9 * 300?", "answer": "It is <<9*300=2700>>2700.\n#### 2,700"})", "f");
  EXPECT_EQ(gsm8k.prompt, "9 * 300?");
  EXPECT_EQ(gsm8k.answer, "2700");
  EXPECT_EQ(gsm8k.solution, "It is <<9*300=2700>>2700.\n");
  const Problem plain = parse_problem(R"({"question": "9 * 3?", "answer": 27})", "f");
  EXPECT_EQ(plain.answer, "27");
  EXPECT_EQ(plain.solution, "");
  EXPECT_EQ(parse_problem(R"({"question": "Where?", "answer": "so #### New York, USA\n"})", "f").answer,
            "New York, USA");
  const Problem math = parse_problem(R"({"problem": "1/2?", "solution": "easy", "final": "\\frac{1}{2}"})", "f");
  EXPECT_EQ(math.answer + "|" + math.solution, "\\frac{1}{2}|easy");
  for (const char* bad :
       {"", "[]", "{}", R"({"prompt": "a"})", R"({"prompt": 1, "answer": "b"})", R"({"prompt": "a", "answer": 1.5})",
        R"({"prompt": "a", "answer": "b", "numbers": 3})", R"({"prompt": "a", "answer": "b", "numbers": [1.5]})",
        R"({"prompt": "a", "answer": "b", "target": "x"})", R"({"question": "a", "answer": "b ####"})",
        R"({"question": "a", "choices": ["b", "c"], "answer": "b"})"})
    EXPECT_THROW(parse_problem(bad, "file.jsonl: line 3"), Error) << bad;
}

}  // namespace
}  // namespace nuri::tasks
