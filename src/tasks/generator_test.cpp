#include "tasks/generator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
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

// Over every generator, difficulties, seeds and languages: no question that is asked on one side is asked on the other.
TEST(Generator, SidesAreDisjointByTheHashOfWhatIsAsked) {
  using Language = ProblemSource::Language;
  for (const GeneratorKind& kind : generator_kinds())
    for (const int difficulty : {1, 2, 3, 5, 8}) {
      std::set<std::string> asked[2], prompts[2];
      for (const Side side : {Side::train, Side::held_out})
        for (const uint64_t seed : {uint64_t(0), uint64_t(1), uint64_t(77)})
          for (const Language language : {Language::korean, Language::english, Language::both}) {
            const ProblemSource source(kind, language, difficulty, seed, side);
            for (uint64_t i = 0; i < 60; ++i) {
              const Drawn drawn = source.drawn_at(i);
              EXPECT_EQ(side_of(std::string(kind.name) + ":" + drawn.canonical), side) << drawn.canonical;
              asked[side == Side::train].insert(drawn.canonical);
              prompts[side == Side::train].insert(drawn.problem.prompt);
            }
          }
      for (const std::string& canonical : asked[0]) EXPECT_FALSE(asked[1].contains(canonical)) << canonical;
      for (const std::string& prompt : prompts[0]) EXPECT_FALSE(prompts[1].contains(prompt)) << prompt;
      EXPECT_GT(asked[0].size(), 1u) << kind.name;
      EXPECT_GT(asked[1].size(), 5u) << kind.name;
    }
}

// Equivalent problems have one canonical form, whatever the wording, the names, the order of numbers and clues; and one
// prompt has one form, so that it cannot stand on both sides.
TEST(Generator, TheCanonicalFormMergesWhatIsTheSame) {
  for (const GeneratorKind& kind : generator_kinds())
    for (const bool korean : {false, true}) {
      std::map<std::string, Problem> first;  // of each canonical form
      std::map<std::string, std::string> form_of_prompt;
      int merged = 0;
      for (uint64_t i = 0; i < 3000; ++i) {
        Draw draw(5, i);
        const Drawn drawn = kind.draw(draw, korean, 1);
        const auto [known, fresh] = form_of_prompt.emplace(drawn.problem.prompt, drawn.canonical);
        EXPECT_EQ(known->second, drawn.canonical) << drawn.problem.prompt;
        const Problem& other = first.emplace(drawn.canonical, drawn.problem).first->second;
        if (other.prompt == drawn.problem.prompt) continue;
        ++merged;
        EXPECT_EQ(other.target, drawn.problem.target) << drawn.canonical;
        if (std::string_view(kind.name) != "countdown") {  // which has many right answers
          EXPECT_EQ(other.answer, drawn.problem.answer) << other.prompt << " | " << drawn.problem.prompt;
        }
        std::vector<int64_t> a = other.numbers, b = drawn.problem.numbers;
        std::sort(a.begin(), a.end()), std::sort(b.begin(), b.end());
        EXPECT_EQ(a, b);
      }
      // Work on letters has one wording.
      if (std::string_view(kind.name) != "letters") {
        EXPECT_GT(merged, 100) << kind.name;
      }
    }
}

TEST(Generator, OneDrawAsksTheSameInBothLanguages) {
  for (const GeneratorKind& kind : generator_kinds()) {
    if (std::string_view(kind.name) == "letters") continue;  // syllables are other questions than letters
    for (int difficulty = 1; difficulty <= kMaxDifficulty; ++difficulty)
      for (uint64_t i = 0; i < 40; ++i) {
        Draw korean(9, i), english(9, i);
        EXPECT_EQ(kind.draw(korean, true, difficulty).canonical, kind.draw(english, false, difficulty).canonical);
      }
  }
}

}  // namespace
}  // namespace nuri::tasks
