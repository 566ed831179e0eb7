#include "tasks/number.h"

#include <gtest/gtest.h>

#include <string>

#include "tasks/expression.h"
#include "tasks/plain_math.h"

namespace nuri::tasks {
namespace {

std::string number(std::string_view text) {
  const auto n = parse_number(text);
  return n ? n->value.text() : "none";
}

struct Case {
  std::string text, value;
};

TEST(PlainMath, OneSpellingOfEachSign) {
  const Case cases[] = {{"\\dfrac{1}{2}", "\\frac{1}{2}"},
                        {"\\fraction \\cdots \\leftarrow \\textit{a}", "\\fraction \\cdots \\leftarrow \\textit{a}"},
                        {"2 \\times10 \\cdot 3 × 4 · 5 ÷ 6", "2 *10 * 3 * 4 * 5 / 6"},
                        {"−1 –2 ‑3 －4", "-1 -2 -3 -4"},
                        {"１２，３４５．６％ （＋）", "12,345.6% (+)"},
                        {"50\\% $\\$5$ ₩6 ￦7 ＄8 1$2", "50% 5 6 7 8 1 2"},
                        {"1{,}000 14,\\!400 11,\\! 111 1\\,234 1\\,2 1\\,2345", "1,000 14,400 11,111 1234 1 2 1 2345"},
                        {"3\\mathrm{cm} 3\\mbox{cm}", "3\\text{cm} 3\\text{cm}"},
                        {"\\boxed{12} \\mathbf{3} \\(4\\)", "{12} {3}  4 "},
                        {"90^\\circ 90^{\\circ} 90° f \\circ g", "90 90 90 f \\circ g"},
                        {"3½ a\u00A0b\u2009c~d\u3000e\u200Bf", "3 1/2 a b c d ef"},
                        {"\\left(1\\right)", "(1)"},
                        {"1 \\\\ 2 \\ 3 \\\\[", "1 \\\\ 2  3 \\\\["},
                        {"\\", "\\"},
                        {"\\frac", "\\frac"},
                        {"\xFF\xEF\xBC\xE2\x80", "\xFF\xEF\xBC\xE2\x80"},
                        {"", ""}};
  for (const auto& [text, plain] : cases) EXPECT_EQ(plain_math(text), plain) << text;
}

// References of GSM8K, MATH and the like, and answers: read by the same function.
TEST(Number, AsTheSetsWriteThem) {
  const Case cases[] = {{"(1/16)", "1/16"},
                        {"( -14/24 )", "-7/12"},
                        {"-(7/2)", "-7/2"},
                        {"-(-7/2)", "7/2"},
                        {"[3]", "3"},
                        {"((((5))))", "5"},
                        {"2.2e+07", "22000000"},
                        {"2.20906E7", "22090600"},
                        {"1.5e-3", "3/2000"},
                        {"1e5", "100000"},
                        {"0e9", "0"},
                        {"2.2 \\times 10^7", "22000000"},
                        {"2.2×10^{7}", "22000000"},
                        {"5 \\cdot 10^{-2}", "1/20"},
                        {"\\frac{625}{648}", "625/648"},
                        {"-\\tfrac34", "-3/4"},
                        {"\\dfrac{1904}{6561}", "1904/6561"},
                        {"\\frac{-7}{2}", "-7/2"},
                        {"\\frac 59", "5/9"},
                        {"\\frac1{10}", "1/10"},
                        {"\\frac{270}7\\text{ degrees}", "270/7"},
                        {"\\frac{12}{5,\\!525}", "12/5525"},
                        {"\\frac{1.5}{3}", "1/2"},
                        {"6\\frac15", "31/5"},
                        {"-8 \\frac{4}{7}", "-60/7"},
                        {"3½", "7/2"},
                        {"\\$15.48", "387/25"},
                        {"-\\$0.50", "-1/2"},
                        {"$-5$", "-5"},
                        {"$\\frac{1}{2}$", "1/2"},
                        {"\\$4,\\!000", "4000"},
                        {"₩12,000", "12000"},
                        {"12,000원", "12000"},
                        {"１２，０００ 원", "12000"},
                        {"65\\%", "13/20"},
                        {"12.5 %", "1/8"},
                        {"90{,}900{,}909", "90900909"},
                        {"11,\\! 111,\\! 111,\\! 100", "11111111100"},
                        {"1\\,000\\,000", "1000000"},
                        {"87^\\circ", "87"},
                        {"118^{\\circ}", "118"},
                        {"1920\\text{ ways.}", "1920"},
                        {"90\\text{ square\ninches}", "90"},
                        {"12\\text{ cm}^2", "12"},
                        {"12 \\mathrm{cm}^{3}", "12"},
                        {"\\boxed{12}", "12"},
                        {"$\\boxed{\\frac{1}{2}}$.", "1/2"},
                        {"**42**", "42"},
                        {"42.", "42"},
                        {"−8", "-8"},
                        {"12\\text{ cm^2}", "12"},
                        {"12\\text{ cm}^{3}", "12"},
                        {"3 x 10^4", "30000"},
                        {"3X10^{4}", "30000"},
                        // Words that multiply.
                        {"3만원", "30000"},
                        {"약수 3", "none"},
                        {"3만 5천 원", "35000"},
                        {"3만 5000원", "35000"},
                        {"1억 2,000만", "120000000"},
                        {"2천5백만 원", "25000000"},
                        {"1.5만", "15000"},
                        {"-3천만", "-30000000"},
                        {"2조 3억", "2000300000000"},
                        {"12\\text{ million}", "12000000"},
                        {"\\$1.25 million", "1250000"},
                        {"3 Hundred Thousand", "300000"},
                        {"1/2 dozen", "6"},
                        {"2 dozens", "24"},
                        {"3만 4만", "none"},
                        {"3만 2억 1조", "none"},
                        // Not numbers, or not one.
                        {"(1, 16)", "none"},
                        {"(1,234)", "none"},
                        {"[1,9]", "none"},
                        {"(-5,\\sqrt{26}]", "none"},
                        {"1, 2", "none"},
                        {"12\\text{ and }13", "none"},
                        {"12\\text{ million miles}", "none"},
                        {"12\\text{ hundredths}", "none"},
                        {"3\\text{ or more}", "none"},
                        {"\\text{4:30 p.m.}", "none"},
                        {"\\text{(E)}", "none"},
                        {"\\text{Tuesday}", "none"},
                        {"12 apples", "none"},
                        {"12k", "none"},
                        {"7/2\n%", "none"},
                        {"3\n1/2", "none"},
                        {"2 *\n10^7", "none"},
                        {"3 7/2", "none"},
                        {"3\\frac72", "none"},
                        {"12\\text{ cm^4}", "none"},
                        {"99,000,000조", "none"},
                        {"5x", "none"},
                        {"99\\pi", "none"},
                        {"3\\sqrt{5}", "none"},
                        {"8_9", "none"},
                        {"2^3", "none"},
                        {"x = 4", "none"},
                        {"\\frac{\\pi}{2}", "none"},
                        {"\\frac{1}{0}", "none"},
                        {"\\frac{1}", "none"},
                        {"\\frac", "none"},
                        {"1$2", "none"},
                        {"50%%", "none"},
                        {"--5", "none"},
                        {"(1/2", "none"},
                        {"1/2)", "none"},
                        {"()", "none"},
                        {"원", "none"},
                        {"%", "none"},
                        {"e5", "none"},
                        {"1e", "none"},
                        {"1e+", "none"},
                        {"2 * 10^", "none"},
                        {"2 * 10^{7", "none"},
                        {"1e19", "none"},
                        {"1e-19", "none"},
                        {"1e999999999", "none"},
                        {"1e-999999999", "none"},
                        {"2*10^999999999999999999999", "none"}};
  for (const auto& [text, value] : cases) EXPECT_EQ(number(text), value) << text;
  EXPECT_EQ(parse_number("2.20906e+07")->places, 0);
  EXPECT_EQ(parse_number("1.50e-2")->places, 4);
  EXPECT_TRUE(parse_number("5\\%")->percent);
}

TEST(Number, LastOfATextThatStandsForItself) {
  const auto found = [](std::string_view text) {
    const auto n = number_in(text);
    return n ? n->value.text() : "none";
  };
  const Case cases[] = {{"so it is \\frac{7}{2} cups", "7/2"},
                        {"about 2.2e+07 people", "22000000"},
                        {"that is 2.2 \\times 10^7 m", "22000000"},
                        {"3 1/2 cups", "7/2"},
                        {"50% of them", "1/2"},
                        {"it costs \\$15.48 each", "387/25"},
                        {"모두 12,000원입니다", "12000"},
                        {"{\"answer\": 12}", "12"},
                        {"5 + 7 = 12", "12"},
                        {"x = -4", "-4"},
                        {"10 - 4", "4"},
                        {"5-3", "3"},
                        {"as much as .5", "1/2"},
                        {"so...5", "5"},
                        {"$x=12$", "12"},
                        // A sign before blanks and parentheses.
                        {"x = - 3", "-3"},
                        {"x = - \\frac{3}{4}", "-3/4"},
                        {"so x = -(7/2)", "-7/2"},
                        {"so x = -\\left(7/2\\right)", "-7/2"},
                        {"f(x): - [3]", "-3"},
                        {"8 - 5 = 3", "3"},
                        {"x - 3", "3"},
                        {"x = 8 - (7/2)", "7/2"},
                        {"x = -(7/2 apples", "7/2"},
                        {"Answers:\n- 3 apples", "3"},
                        // A point in front.
                        {"x=.5", "1/2"},
                        {"$x=.75$", "3/4"},
                        {"so\n.5", "1/2"},
                        {"(.5) m", "1/2"},
                        {"No.5", "5"},
                        {"so..5", "5"},
                        // Words that multiply.
                        {"약 3만 원입니다", "30000"},
                        {"모두 1억 2,000만 명", "120000000"},
                        {"about 3 million people", "3000000"},
                        {"12\\text{ million} dollars", "12000000"},
                        {"12\\text{ million dollars}", "none"},
                        {"it is 12k", "none"},
                        {"12 km away", "12"},
                        {"피자 5조각", "5"},
                        {"12만큼 큽니다", "12"},
                        {"3 dozenal", "3"},
                        {"3만 4만", "none"},
                        // A number stands in one line, its fraction is below 1.
                        {"3 + 4 = 7\n7/2", "7/2"},
                        {"Total: 24\n\n\\frac{3}{4}", "3/4"},
                        {"so 3 7/2 m", "7/2"},
                        {"so 6\\frac75", "none"},
                        {"a 3 1/2 b", "7/2"},
                        // Units with a power.
                        {"12 cm^2", "12"},
                        {"The area is 12 cm^2.", "12"},
                        {"It is $12\\text{ cm}^2$ large", "12"},
                        {"It is 12\\text{ cm^2} large", "12"},
                        {"9.8 m/s^2", "49/5"},
                        {"9.8 m/s^{2}", "49/5"},
                        {"12cm^2", "12"},
                        {"3s^2", "none"},
                        {"12 x^2", "none"},
                        {"12 cm^4", "none"},
                        {"12\\text{ or }x^2", "none"},
                        // What stands beside.
                        {"x = 12 \\\\", "12"},
                        {"x = 12 \\\\ \n\\end{align*}", "12"},
                        {"x = 12 \\\\\n", "12"},
                        {"x = 12 \\end{align*}", "12"},
                        {"\\begin{align*} x &= 3 \\\\ y &= 4 \\end{align*}", "4"},
                        {"\\begin{pmatrix} 2 \\\\ 3 \\end{pmatrix}", "none"},
                        {"\\begin{cases} 2 \\\\ 3 \\end{cases} so 4", "4"},
                        {"x \\approx12", "12"},
                        {"\\Rightarrow12", "12"},
                        {"\\Rightarrow-12", "-12"},
                        {"12 \\theta", "none"},
                        {"\\theta12", "none"},
                        {"that is 3 x 10^4 m", "30000"},
                        {"12 (12)", "12"},
                        {"12\n12", "12"},
                        {"12 (13)", "none"},
                        {"-12 (12)", "none"},
                        {"(12, 12)", "none"},
                        {"(2,400)", "none"},
                        {"in all (2,400)", "2400"},
                        {"x \\in [2,400]", "none"},
                        {"x \\in \\left[ 2,400 \\right)", "none"},
                        {"x \\in (2,400)", "none"},
                        {"x \xE2\x88\x88 ( 2,400 )", "none"},
                        {"all [2] are 2,400", "2400"},
                        {"(1, 16)", "none"},
                        {"1, 16", "none"},
                        {"-1, -16", "none"},
                        {"(-1, 16)", "none"},
                        {"{3; 4}", "none"},
                        {"3 \\sqrt{5}", "none"},
                        {"\\sqrt 5", "none"},
                        {"\\cos 58^\\circ", "none"},
                        {"\\frac{\\pi}{2}", "none"},
                        {"\\frac{\\sqrt{3}}{2}", "none"},
                        {"5\xCF\x80", "none"},
                        {"5\\pi", "none"},
                        {"5 \\pi", "none"},
                        {"x^2", "none"},
                        {"y^{12}", "none"},
                        {"8_9", "none"},
                        {"2:30", "none"},
                        {"1.2.3", "none"},
                        {"1e99", "none"},
                        {"1/2/3", "none"},
                        {"none", "none"},
                        {"", "none"}};
  for (const auto& [text, value] : cases) EXPECT_EQ(found(text), value) << text;
}

TEST(Expression, ReadsTheSameSpellings) {
  const auto value = [](std::string_view text) {
    const Evaluated e = number_or_expression(text);
    return e.value ? e.value->text() : "none: " + e.reason;
  };
  EXPECT_EQ(value("\\frac12 + \\tfrac{1}3"), "5/6");
  EXPECT_EQ(value("\\frac1{2}\\times 4^{2}"), "8");
  EXPECT_EQ(value("\\frac{1}{2} × （３ − 1）"), "1");
  EXPECT_EQ(value("3\\frac12"), "7/2");
  EXPECT_EQ(value("2e3 + 1"), "2001");
  EXPECT_EQ(value("\\$5 + ₩1,000"), "1005");
  EXPECT_EQ(value("\\frac{1}2 + \\frac"), "none: column 18: \\frac needs two groups in braces, or digits");
}

}  // namespace
}  // namespace nuri::tasks
