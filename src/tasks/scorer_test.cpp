#include "tasks/scorer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/error.h"
#include "tasks/generator.h"
#include "tasks/number.h"

namespace nuri::tasks {
namespace {

TEST(Response, IsCutAtTheLastThink) {
  const Response r = cut_response("<think>\nseven\n</think>\n7");
  EXPECT_EQ(r.reasoning, "seven");
  EXPECT_EQ(r.answer, "\n7");
  EXPECT_TRUE(r.well_formed);
  EXPECT_TRUE(cut_response("the template opened it</think>7").well_formed);
  for (const char* bad : {"7", "<think>7", "<think></think>7", "a</think>", "a</think>b</think>7", "a</think><think>7",
                          "a<think>b</think>7", ""})
    EXPECT_FALSE(cut_response(bad).well_formed) << bad;
  EXPECT_EQ(cut_response("no end").answer, "no end");
}

TEST(Response, FinalAnswers) {
  for (const auto& [text, answer] :
       std::map<std::string, std::string>{{"so \\boxed{\\frac{1}{2}} it is", "\\frac{1}{2}"},
                                          {"\\boxed{1} or \\boxed{2}", "2"},
                                          {"\\boxed{3} \\boxed{4", "3"},
                                          {"work\n#### 72", "72"},
                                          {"The answer is 5.", "5"},
                                          {"Answer: 8\nthanks", "8"},
                                          {"정답: 12개\n끝", "12개"},
                                          {"답은 3.", "3"},
                                          {"  42. ", "42"},
                                          {"", ""}})
    EXPECT_EQ(final_answer(text), answer) << text;
  for (const auto& [text, found] : std::map<std::string, std::string>{{"12 apples", "12"},
                                                                      {"$1,234.50 each", "1,234.50"},
                                                                      {"it is -3", "-3"},
                                                                      {"5-3", "3"},
                                                                      {"a 7/2 b", "7/2"},
                                                                      {"none", ""},
                                                                      {"...", ""},
                                                                      {"v2.", "2"}})
    EXPECT_EQ(last_number(text), found) << text;
}

double score(const std::string& reward, const Problem& problem, std::string_view text, int64_t tokens = 10,
             bool finished = true) {
  return Reward(reward, "test").of(problem, {text, tokens, finished});
}
Problem answer_of(std::string answer) {
  Problem p;
  p.id = "1", p.answer = std::move(answer);
  return p;
}

TEST(Scorer, EachKind) {
  EXPECT_EQ(score("exact", answer_of("Seoul"), "a</think> seoul.\n"), 1);
  EXPECT_EQ(score("exact", answer_of("Seoul"), "a</think>Busan"), 0);
  EXPECT_EQ(score("exact", answer_of("1 2 3"), "정답: 1  2 3"), 1);
  EXPECT_EQ(score("numeric", answer_of("1234"), "x</think>\\boxed{1,234}"), 1);
  EXPECT_EQ(score("numeric", answer_of("12"), "they are 12 apples"), 1);
  EXPECT_EQ(score("numeric", answer_of("12"), "12.0"), 1);
  EXPECT_EQ(score("numeric", answer_of("12"), "12.4"), 0);
  EXPECT_EQ(score("numeric", answer_of("6.93"), "6.928"), 1);
  EXPECT_EQ(score("numeric", answer_of("6.93"), "6.92"), 0);
  EXPECT_EQ(score("numeric", answer_of("6.93"), "6.9"), 0);
  EXPECT_EQ(score("numeric", answer_of("-3"), "3"), 0);
  for (const char* reference : {"50", "0.5", "50 %"})
    EXPECT_EQ(score("numeric", answer_of(reference), "50%"), 1) << reference;
  for (const char* same : {"7/2", "3 1/2", "\\frac{7}{2}", "3.5", "350%", "-\\frac{-7}{2}"})
    EXPECT_EQ(score("fraction", answer_of("7/2"), same), 1) << same;
  for (const char* other : {"3 + 1/2", "7 - 3.5", "7 * 0.5", "3.5^1"})
    EXPECT_EQ(score("fraction", answer_of("7/2"), other), 0) << other;
  EXPECT_EQ(score("expression", answer_of("14"), "2 * (3 + 4) = 14"), 1);
  EXPECT_EQ(score("expression", answer_of("14"), "2 * 3 + 4"), 0);
  EXPECT_EQ(score("format", {}, "thought</think>answer"), 1);
  EXPECT_EQ(score("format", {}, "thought</think>answer", 10, false), 0);
  EXPECT_EQ(score("format", {}, "answer"), 0);
  EXPECT_EQ(score("language(ko)", {}, "가나다 abc 12"), 0.5);
  EXPECT_EQ(score("language(en)", {}, "가나다라 ab"), 2.0 / 6);
  EXPECT_EQ(score("language(ko)", {}, "123"), 0);
  EXPECT_EQ(score("language(ko)", {}, "가\xFF\xFF\xFF"), 0.25);
  for (const auto& [tokens, expected] : std::map<int64_t, double>{{0, 0}, {80, 0}, {90, -0.5}, {100, -1}, {101, -1}})
    EXPECT_EQ(score("length(max=100, soft=20)", {}, "", tokens), expected) << tokens;
  Problem countdown;
  countdown.id = "c", countdown.numbers = {3, 5, 5, 7}, countdown.target = 26;
  EXPECT_EQ(score("countdown", countdown, "work</think>3 * 7 + 5 = 26"), 1);
  EXPECT_EQ(score("countdown", countdown, "\\boxed{(7 - 3) * 5 + 5 + 1}"), 0);  // no 1 is given
  EXPECT_EQ(score("countdown", countdown, "5 * 5 + 5 - 7 + 3"), 0);             // three fives
  EXPECT_EQ(score("countdown", countdown, "3 * 7 - 5 = 26"), 0);
  EXPECT_EQ(score("regex", answer_of("^\\d{4}-\\d{2}$"), "2025-01"), 1);
  EXPECT_EQ(score("regex", answer_of("^\\d{4}-\\d{2}$"), "2025-1"), 0);
  for (const char* right :
       {"C", "(C)", "C.", "C) the third", "정답: C", "C입니다", "C\n\nBecause it is.", "think</think>\n**C**"})
    EXPECT_EQ(score("choice", answer_of("C"), right), 1) << right;
  for (const char* wrong : {"", "A", "c", "Cat", "C3PO", "C is a letter", "()", "the answer is D, not C"})
    EXPECT_EQ(score("choice", answer_of("C"), wrong), 0) << wrong;
  EXPECT_EQ(score("exact=2, format=0.5, length(max=4, soft=4)=0.25", answer_of("7"), "t</think>7", 2), 2.5 - 0.125);
}

// References as GSM8K, MATH and the like hold them, answers as models write them; and what is not the same.
TEST(Scorer, NumbersOfKnownSets) {
  struct Case {
    const char *reference, *right, *wrong;
  };
  for (const Case& c :
       {Case{"(1/16)", "\\boxed{\\frac{1}{16}}", "(1, 16)"}, Case{"2.2e+07", "about $2.2 \\times 10^{7}$", "2.2"},
        Case{"2.2e+07", "22,000,000명", "2.2e+08"}, Case{"\\frac{625}{648}", "625/648", "\\frac{648}{625}"},
        Case{"\\frac{625}{648}", "정답: \\dfrac{625}{648}", "625"}, Case{"\\$15.48", "It costs \\$15.48.", "15.49"},
        Case{"12,000원", "정답: ₩12,000", "12"}, Case{"65\\%", "65 %", "66"}, Case{"65\\%", "0.65", "6500"},
        Case{"14,\\!400", "14400", "14"}, Case{"87^\\circ", "x = 87°", "\\cos 87"}, Case{"6\\frac15", "6.2", "65"},
        Case{"16", "１６", "(1, 16)"}, Case{"5", "$5$ dollars", "3 \\sqrt{5}"},
        Case{"2", "So $x = 2$.", "\\frac{\\pi}{2}"}, Case{"-\\tfrac34", "−3/4", "3/4"},
        Case{"1920\\text{ ways.}", "1920 ways", "1920^2"}}) {
    EXPECT_EQ(score("numeric", answer_of(c.reference), c.right), 1) << c.reference << " " << c.right;
    EXPECT_EQ(score("numeric", answer_of(c.reference), c.wrong), 0) << c.reference << " " << c.wrong;
    EXPECT_EQ(Reward("numeric, fraction, expression", "r").cannot_judge(answer_of(c.reference)), "") << c.reference;
  }
  EXPECT_EQ(score("fraction", answer_of("(1/16)"), "\\frac1{16}"), 1);
  EXPECT_EQ(score("fraction", answer_of("65\\%"), "65"), 0);
  EXPECT_EQ(score("fraction", answer_of("\\$15.48"), "15.48"), 1);
  EXPECT_EQ(score("expression", answer_of("\\frac{625}{648}"), "\\frac{5^4}{3^4 \\times 2^3}"), 1);
  EXPECT_EQ(score("expression", answer_of("6\\frac15"), "6 + \\frac15"), 1);
  for (const char* reference : {"(1, 16)", "[1,9]", "3\\sqrt{5}", "\\text{Tuesday}", "8_9", "x + 1", "1e999999999"})
    EXPECT_NE(Reward("numeric", "r").cannot_judge(answer_of(reference)).find(reference), std::string::npos);
  const std::string reason =
      Reward("numeric", "r").cannot_judge(answer_of(std::string(60, 'a') + "가나다라마바사아자차카타파하"));
  EXPECT_LT(reason.size(), 160u);  // a reference may be a page
  EXPECT_NE(reason.find("..."), std::string::npos);
}

// What each of the scorers of numbers takes, and what none does.
TEST(Scorer, AnswersOfModels) {
  struct Case {
    const char *reference, *answer;
    double numeric, fraction, expression;
  };
  for (const Case& c : {Case{"4", "x = 4", 1, 1, 1},
                        Case{"3/2", "\\boxed{x = \\frac{3}{2}}", 1, 1, 1},
                        Case{"x = 4", "4", 1, 1, 1},
                        Case{"4", "x_1 = 2 + 2", 0, 0, 1},
                        Case{"4", "x = 2 + 2 = 4", 1, 0, 1},
                        Case{"4", "2x = 4", 1, 0, 0},
                        Case{"12", "12 apples", 1, 1, 1},
                        Case{"12", "정답: 12개", 1, 1, 1},
                        Case{"12", "12 명입니다.", 1, 1, 1},
                        Case{"12", "12 cm", 1, 1, 1},
                        Case{"12", "12 cm^2", 1, 1, 1},
                        Case{"12", "\\boxed{12\\text{ cm^2}}", 1, 1, 1},
                        Case{"-12", "-12 square units.", 1, 1, 1},
                        Case{"30000", "3만 원", 1, 1, 1},
                        Case{"3", "3만 원", 0, 0, 0},
                        Case{"5", "5조각", 1, 1, 1},
                        Case{"12", "12x", 1, 0, 0},
                        Case{"12", "12 x", 1, 0, 0},
                        Case{"12", "12 pi", 1, 0, 0},
                        Case{"12", "12 or more", 1, 0, 0},
                        Case{"12", "12 = y apples", 1, 0, 1},
                        Case{"2400", "(2,400)", 0, 0, 0},
                        Case{"-36104", "[-36,104]", 0, 0, 0},
                        Case{"2400", "2,400", 1, 1, 1},
                        Case{"65\\%", "65.4%", 0, 0, 0},
                        Case{"65\\%", "0.654", 0, 0, 0},
                        Case{"12.5%", "12.48%", 1, 0, 0},
                        Case{"65\\%", "65.0%", 1, 1, 1}}) {
    EXPECT_EQ(score("numeric", answer_of(c.reference), c.answer), c.numeric) << c.reference << " " << c.answer;
    EXPECT_EQ(score("fraction", answer_of(c.reference), c.answer), c.fraction) << c.reference << " " << c.answer;
    EXPECT_EQ(score("expression", answer_of(c.reference), c.answer), c.expression) << c.reference << " " << c.answer;
  }
  for (const char* reference : {"(2,400)", "[-36,104]", "12 apples"})
    EXPECT_NE(Reward("expression", "r").cannot_judge(answer_of(reference)), "") << reference;
  Problem powers;
  powers.id = "c", powers.numbers = {2, 5}, powers.target = 32;
  EXPECT_EQ(score("countdown", powers, "2^5"), 0);
  powers.target = 10;
  EXPECT_EQ(score("countdown", powers, "2 * 5"), 1);
}

TEST(Scorer, WrongRewardsAreRefused) {
  for (const char* bad : {"", "exakt", "exact=", "exact=x", "exact=inf", "exact=1, exact=2", "language", "language(fr)",
                          "language(ko, en)", "length(max=5)", "length(max=5, soft=6)", "length(max=5, soft=1, x=2)",
                          "exact(ko)", "exact,,format", "length(max=5"})
    EXPECT_THROW(Reward(bad, "rewards"), Error) << bad;
  try {
    Reward("nummeric=1", "recipe.toml: rewards");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("did you mean \"numeric\""), std::string::npos) << e.what();
  }
  EXPECT_THROW(Reward("numeric", "r").check(answer_of("many")), Error);
  EXPECT_THROW(Reward("countdown", "r").check(answer_of("1")), Error);
  EXPECT_THROW(Reward("regex", "r").check(answer_of("(")), Error);
  EXPECT_THROW(Reward("expression", "r").check(answer_of("1+")), Error);
  EXPECT_THROW(Reward("choice", "r").check(answer_of("ab")), Error);
  Reward("exact, format, language(ko), length(max=9, soft=3)", "r").check({});
}

}  // namespace
}  // namespace nuri::tasks
