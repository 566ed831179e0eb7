// Generations made to break a scorer: none throws, none takes long, whatever scorer is registered.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <map>

#include "base/test_support.h"
#include "tasks/generator.h"
#include "tasks/scorer.h"

namespace nuri::tasks {
namespace {

// What a registered scorer is called with, and references that make it work. A new scorer has to be added here.
struct Case {
  std::string arguments;
  std::vector<std::string> references;
};
const std::map<std::string, Case>& cases() {
  static const std::map<std::string, Case> all = {
      {"exact", {"", {"7", std::string(1 << 20, 'a')}}},
      {"numeric", {"", {"12", "6.93", "50%", "\\frac{625}{648}", "2.2e+07"}}},
      {"fraction", {"", {"7/2", "(1/16)"}}},
      {"expression", {"", {"14", "2^10 - 24", "\\frac12"}}},
      {"format", {"", {""}}},
      {"language", {"(ko)", {""}}},
      {"length", {"(max=100, soft=50)", {""}}},
      {"countdown", {"", {"1 + 2 + 3"}}},
      {"regex", {"", {"(a+)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y", "(.*)*z", "(?:a|aa)+$", "\\p{Hangul}+$"}}},
      {"choice", {"", {"C"}}},
  };
  return all;
}

const std::string& piece(Draw& draw) {
  static const std::string pieces[] = {"<think>",     "</think>",
                                       "\\boxed{",    "}",
                                       "((((((((",    "))))",
                                       "1/0",         "9999999999999999999999",
                                       "-",           "^",
                                       "^99999999",   "\\frac{",
                                       "}{",          "#### ",
                                       "정답: ",      "\xFF\xFE",
                                       "\xEA\xB0",    "aaaaaaaa",
                                       "1e999",       "NaN",
                                       "\n",          "=",
                                       " ",           "漢字",
                                       "مرحبا",       std::string(1, '\0'),
                                       "%s%n",        "x",
                                       "+",           "*",
                                       "1e999999999", "\\text{",
                                       "\\frac12",    "{,}",
                                       "\\,000",      "\\$",
                                       "* 10^{",      "\\sqrt{",
                                       "1,234",       "１２",
                                       "−",           "원",
                                       "3 1/2",       "%",
                                       "\\left(",     "[",
                                       "]",           "C"};
  return draw.pick(pieces);
}

/// Generation `i`: random pieces, a few of them hundreds of kilobytes long, or one piece again and again.
std::string generation(uint64_t i) {
  Draw draw(99, i);
  std::string text;
  if (i % 5 == 0) {  // nested or repeated: what is quadratic shows here
    const std::string again = piece(draw), other = piece(draw);
    const size_t bytes = i % 100 == 0 ? size_t(1) << 20 : 20000;
    while (text.size() < bytes) text += again;
    if (i % 10 == 0) text += other;
    if (i % 20 == 0) text = other + text;
    return text;
  }
  const int64_t n = i % 50 == 1 ? 20000 : draw.between(0, 40);
  for (int64_t k = 0; k < n; ++k) text += piece(draw);
  return text;
}

TEST(ScorerHostile, AThousandGenerationsThroughEveryScorer) {
  // Far above what is taken (milliseconds for a megabyte; the regex scorer's limit of steps a second), far below what
  // a quadratic step over a megabyte takes.
  constexpr double kMostSeconds = 20;
  std::vector<std::string> generations;
  for (uint64_t i = 0; i < 1000; ++i) generations.push_back(generation(i));
  for (const ScorerKind& kind : scorer_kinds()) {
    ASSERT_TRUE(cases().contains(kind.name)) << kind.name << " has no hostile references in this test";
    const Case& c = cases().at(kind.name);
    const Reward reward(kind.name + c.arguments, "hostile");
    std::vector<Problem> problems;
    for (const std::string& reference : c.references) {
      problems.push_back({.id = "h", .answer = reference, .numbers = {1, 2, 3}, .target = 6});
      ASSERT_EQ(reward.cannot_judge(problems.back()), "");
    }
    for (size_t i = 0; i < generations.size(); i += test::kSanitized ? 3 : 1) {
      const auto begin = std::chrono::steady_clock::now();
      const double score =
          reward.of(problems[i % problems.size()], {generations[i], static_cast<int64_t>(i), i % 2 == 0});
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      EXPECT_TRUE(std::isfinite(score) && score >= -1 && score <= 1) << kind.name << ", generation " << i;
      ASSERT_LT(seconds, kMostSeconds) << kind.name << ", generation " << i << " of " << generations[i].size()
                                       << " bytes";
    }
  }
}

// What is made to be walked again and again, a quarter of a megabyte of it, through each scorer at once.
TEST(ScorerHostile, OnePieceAgainAndAgain) {
  std::string reward_text;
  for (const ScorerKind& kind : scorer_kinds()) {
    if (std::string_view(kind.name) == "regex") continue;  // sees 64 KiB and counts steps
    reward_text += (reward_text.empty() ? "" : ", ") + (kind.name + cases().at(kind.name).arguments);
  }
  const Reward reward(reward_text, "hostile");
  const Problem p{.id = "h", .answer = "7", .numbers = {1, 2, 3}, .target = 6};
  const char* pieces[] = {"(",          ")",        "{",         "}",        "[",
                          "-",          "1",        "0",         ".",        "1 ",
                          "1,234,",     "1/",       "1 1/1 ",    "1e",       "1e9",
                          "*10^",       "\\frac",   "\\frac{",   "\\frac1",  "\\frac{1}",
                          "\\frac{1}{", "\\text{",  "\\text{a}", "\\boxed{", "\\boxed{1}",
                          "{,}",        "\\,",      "\\,000",    "\\!",      ",\\! ",
                          "$",          "\\$",      "원",        "% ",       "^",
                          "^{",         "_1",       "\\sqrt{",   "\\sqrt ",  "\\a",
                          "\\",         "<think>",  "</think>",  "#### ",    "Answer: ",
                          "정답: ",     "\xEF\xBC", "½",         " ",        "-(",
                          "- ",         "1천",      "1 천 ",     "1억",      "1조",
                          "dozen ",     "1 m/",     "1 m^2",     "m/",       "\\text{m}/",
                          "1\\text{",   "(1)",      "x 10^",     "x=",       "\\begin{cases}",
                          "\n",         "=",        "A",         "(A",       "가",
                          "\xFF"};
  constexpr size_t kBytes = size_t(1) << (test::kSanitized ? 14 : 18);  // what is quadratic shows without sanitizers
  for (const std::string piece : pieces) {
    std::string text;
    while (text.size() < kBytes) text += piece;
    const std::string part = text.substr(0, kBytes / 4);
    for (const std::string& all : {text + "1", "1" + part, "\\boxed{1" + part + "}"}) {
      const auto begin = std::chrono::steady_clock::now();
      const double score = reward.of(p, {all, 10, true});
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      EXPECT_TRUE(std::isfinite(score)) << piece;
      ASSERT_LT(seconds, 20) << piece;
    }
  }
}

}  // namespace
}  // namespace nuri::tasks
