#include "eval/solve.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace nuri {
namespace {

Answer answer(std::string text, bool right) {
  Answer a;
  a.text = std::move(text), a.tokens = 10, a.finished = right, a.reward = right ? 1.1 : 0.1;
  a.scores = {right ? 1.0 : 0.0};
  return a;
}

TEST(Summarise, TheMostFrequentFinalAnswerCounts) {
  const std::vector<std::vector<Answer>> answers = {
      // Different reasoning and marks, one final answer: 3 of 4 votes.
      {answer("a</think>7", true), answer("8", false), answer("b</think>so \\boxed{7}", true), answer("#### 7", true)},
      // The wrong one more often.
      {answer("1", false), answer("2", true), answer("1", false), answer("3", false)},
      // Of equals the first: right.
      {answer("5", true), answer("6", false), answer("6", false), answer("5", true)},
      // Of equals the first: wrong.
      {answer("6", false), answer("5", true), answer("5", true), answer("6", false)},
      // All wrong.
      {answer("x", false), answer("x", false), answer("y", false), answer("", false)}};
  std::vector<size_t> all(answers.size());
  std::iota(all.begin(), all.end(), size_t(0));
  const Solved s = summarise(answers, all);
  EXPECT_EQ(s.problems, 5);
  EXPECT_EQ(s.samples, 4);
  EXPECT_NEAR(s.majority, 2.0 / 5, 1e-12);
  EXPECT_NEAR(s.pass_1, 8.0 / 20, 1e-12);
  EXPECT_NEAR(s.finished, 8.0 / 20, 1e-12);
  EXPECT_NEAR(s.reward, (8 * 1.1 + 12 * 0.1) / 20, 1e-12);
  EXPECT_NEAR(s.tokens, 10, 1e-12);
  // Right ones 3, 1, 2, 2, 0 of 4: pairs that hold one are 6, 3, 5, 5, 0 of 6.
  ASSERT_EQ(s.pass_at.size(), 3u);
  EXPECT_NEAR(s.pass_at[0], s.pass_1, 1e-12);
  EXPECT_NEAR(s.pass_at[1], (6 + 3 + 5 + 5) / 6.0 / 5, 1e-12);
  EXPECT_NEAR(s.pass_at[2], 4.0 / 5, 1e-12);
  EXPECT_EQ(s.interval.low, wilson(s.pass_1, 5).low);
  EXPECT_EQ(s.interval.high, wilson(s.pass_1, 5).high);
  // A part of them, in any order.
  const Solved part = summarise(answers, {3, 0});
  EXPECT_NEAR(part.majority, 0.5, 1e-12);
  EXPECT_NEAR(part.pass_1, 5.0 / 8, 1e-12);
  // One answer each: the majority is pass@1.
  std::vector<std::vector<Answer>> single;
  for (const auto& a : answers) single.push_back({a[0]});
  EXPECT_EQ(summarise(single, all).majority, summarise(single, all).pass_1);
  EXPECT_EQ(summarise(single, all).pass_at.size(), 1u);
}

// Every order of the answers counts the same, but for equal votes.
TEST(Summarise, OrderOnlySettlesEqualVotes) {
  std::vector<Answer> answers = {answer("1", false), answer("2", true), answer("2", true), answer("3", false)};
  std::vector<size_t> order = {0, 1, 2, 3};
  do {
    std::vector<Answer> shuffled;
    for (const size_t i : order) shuffled.push_back(answers[i]);
    const Solved s = summarise({shuffled}, {0});
    EXPECT_EQ(s.majority, 1);
    EXPECT_EQ(s.pass_1, 0.5);
    EXPECT_NEAR(s.pass_at[1], 5.0 / 6, 1e-12);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Summarise, SeveralSeeds) {
  // 1, 2 and 3 of 4 problems right under three seeds.
  std::vector<double> passes;
  for (int right = 1; right <= 3; ++right) {
    std::vector<std::vector<Answer>> answers;
    for (int i = 0; i < 4; ++i) answers.push_back({answer("7", i < right)});
    passes.push_back(summarise(answers, {0, 1, 2, 3}).pass_1);
  }
  EXPECT_EQ(passes, (std::vector<double>{0.25, 0.5, 0.75}));
  EXPECT_NEAR(spread_of(passes).mean, 0.5, 1e-12);
  EXPECT_NEAR(spread_of(passes).deviation, 0.25, 1e-12);
}

}  // namespace
}  // namespace nuri
