#include "tasks/problem_row.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/test_support.h"
#include "tasks/generator.h"

namespace nuri::tasks {
namespace {

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
       {"", "[]", "{}", R"({"prompt": "a"})", R"({"prompt": 1, "answer": "b"})", R"({"prompt": "a", "answer": true})",
        R"({"prompt": "a", "answer": "b", "numbers": 3})", R"({"prompt": "a", "answer": "b", "numbers": [1.5]})",
        R"({"prompt": "a", "answer": "b", "target": "x"})", R"({"question": "a", "answer": "b ####"})",
        R"({"question": "a", "choices": ["b", "c"], "answer": "b"})"})
    EXPECT_THROW(parse_problem(bad, "file.jsonl: line 3"), Error) << bad;
}

TEST(ProblemRow, WhatOthersCallQuestionAndAnswer) {
  const auto read = [](const char* row) {
    const Problem p = parse_problem(row, "f");
    return p.prompt + "|" + p.answer + "|" + p.solution + "|" + p.category;
  };
  // MATH, DeepScaleR, Alpaca, SVAMP's own, TriviaQA's, AIME's and others' shapes.
  EXPECT_EQ(
      read(R"({"problem": "p", "solution": "so $\\boxed{\\frac{1}{2}}$.", "level": "Level 5", "type": "Algebra"})"),
      "p|\\frac{1}{2}|so $\\boxed{\\frac{1}{2}}$.|Algebra");
  EXPECT_EQ(read(R"x({"problem": "p", "answer": "(1/16)", "solution": "worked"})x"), "p|(1/16)|worked|");
  EXPECT_EQ(read(R"({"instruction": "do", "input": "this", "output": "done"})"), "do\n\nthis|done||");
  EXPECT_EQ(read(R"({"instruction": "do", "input": "", "output": "so\n#### 5"})"), "do|5|so\n|");
  EXPECT_EQ(read(R"({"ID": "1", "Body": "Ann has 3.", "Question": "How many?", "Answer": 3.0, "Type": "x"})"),
            "Ann has 3.\nHow many?|3||");
  EXPECT_EQ(read(R"({"context": "Question: who?\nAnswer:", "answer": "Ann", "aliases": ["Anna"]})"),
            "Question: who?\nAnswer:|Ann||");
  EXPECT_EQ(read(R"({"context": "It rained.", "question": "Did it?", "answer": "yes"})"), "It rained.\nDid it?|yes||");
  EXPECT_EQ(read(R"({"question": "q", "final_answer": ["3/4"], "solution": "w", "subject": "s"})"), "q|3/4|w|s");
  EXPECT_EQ(read(R"({"question": "q", "expected_answer": 7})"), "q|7||");
  EXPECT_EQ(read(R"({"query": "q", "response": "thus \\boxed{7}"})"), "q|7|thus \\boxed{7}|");
  EXPECT_EQ(read(R"({"input": "q", "target": 5, "task": "t"})"), "q|5||t");
  EXPECT_EQ(read(R"({"question": "q", "reference": "#### 5"})"), "q|#### 5||");
  // What is no text beside them is passed over; a float that is whole has no decimal places.
  EXPECT_EQ(read(R"({"question": "q", "answer": "5", "solution": null})"), "q|5||");
  EXPECT_EQ(read(R"({"question": "q", "answer": "5", "solution": [], "language": ["en"]})"), "q|5||");
  EXPECT_EQ(read(R"({"question": "q", "solution": ["w", "v"], "final_answer": ["2"], "language": "English"})"),
            "q|2|w|");
  EXPECT_EQ(read(R"({"question": "q", "answer": "a", "context": {"title": ["t"], "sentences": [["s"]]}})"), "q|a||");
  EXPECT_EQ(read(R"({"instruction": "do", "context": "It rained.", "response": "yes", "category": "c"})"),
            "It rained.\ndo|yes||c");
  EXPECT_EQ(read(R"({"instruction": "do", "context": "", "response": "yes"})"), "do|yes||");
  EXPECT_EQ(read(R"({"question": "q", "answer": -2.0})"), "q|-2||");
  EXPECT_EQ(read(R"({"question": "q", "answer": 27.5})"), "q|27.5||");
  EXPECT_EQ(read(R"({"question": "q", "answer": 1e30})"), "q|1e+30||");
  // Our own form is taken to the letter: the reference may be a pattern.
  EXPECT_EQ(read(R"({"prompt": "p", "answer": "^#### \\d+$"})"), "p|^#### \\d+$||");
  EXPECT_EQ(read(R"({"prompt": "p with A and B", "answer": "A", "choices": ["x", "y"]})"), "p with A and B|A||");
  const auto refused = [](const char* row) { return test::error_of([&] { (void)parse_problem(row, "f: line 2"); }); };
  EXPECT_NE(refused(R"({"context": {"title": "t"}, "answer": "a"})").find("a problem needs"), std::string::npos);
  EXPECT_NE(refused(R"({"question": ["q"], "answer": "a", "context": "c"})").find("question"), std::string::npos);
  const std::string shapes = refused(R"({"text": "a", "label": 1})");
  for (const char* part : {"f: line 2", "question", "problem", "input", "solution", "####", "boxed"})
    EXPECT_NE(shapes.find(part), std::string::npos) << shapes;
  for (const char* row :
       {R"({"question": "a", "choices": ["b", "c"], "answer": 0})",
        R"({"question": "a", "A": "b", "B": "c", "answer": 1})", R"({"ctx": "a", "endings": ["b", "c"], "label": 0})"})
    EXPECT_NE(refused(row).find("--choices"), std::string::npos) << refused(row);
  EXPECT_NE(refused(R"({"question": "a", "answer": ["b", "c"]})").find("answer"), std::string::npos);
}

}  // namespace
}  // namespace nuri::tasks
