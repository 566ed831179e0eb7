#include "tasks/expression.h"

#include <gtest/gtest.h>

#include <map>

#include "tasks/number.h"

namespace nuri::tasks {
namespace {

std::string number(std::string_view text) {
  const auto n = parse_number(text);
  return n ? n->value.text() : "none";
}

TEST(Rational, NumbersAsTheyAreWritten) {
  for (const auto& [text, value] : std::map<std::string, std::string>{{"0", "0"},
                                                                      {"-0", "0"},
                                                                      {"007", "7"},
                                                                      {"1,234", "1234"},
                                                                      {"1,234,567.50", "2469135/2"},
                                                                      {" 3.5 ", "7/2"},
                                                                      {"7/2", "7/2"},
                                                                      {"-14 / 4", "-7/2"},
                                                                      {"3 1/2", "7/2"},
                                                                      {"-3 1/2", "-7/2"},
                                                                      {"12.5 %", "1/8"},
                                                                      {"50%", "1/2"},
                                                                      {"\xE2\x88\x92"
                                                                       "8",
                                                                       "-8"},
                                                                      {".5", "1/2"},
                                                                      {"+4", "4"},
                                                                      {"999999999999999999", "999999999999999999"},
                                                                      {"", "none"},
                                                                      {"-", "none"},
                                                                      {"1/0", "none"},
                                                                      {"1e5", "100000"},
                                                                      {"12 apples", "none"},
                                                                      {"1,23", "none"},
                                                                      {"1,2345", "none"},
                                                                      {"3 4", "none"},
                                                                      {"1000000000000000000", "none"},
                                                                      {"0x10", "none"},
                                                                      {"1/2/3", "none"},
                                                                      {"nan", "none"}})
    EXPECT_EQ(number(text), value) << text;
}

TEST(Rational, OverflowIsNoValue) {
  const Rational big{INT64_MAX, 1};
  EXPECT_FALSE(add(big, big));
  EXPECT_FALSE(multiply(big, big));
  EXPECT_FALSE(divide(big, {0, 1}));
  EXPECT_FALSE(power({2, 1}, 63));
  EXPECT_FALSE(power({0, 1}, -1));
  EXPECT_EQ(power({2, 1}, -3), (Rational{1, 8}));
  EXPECT_EQ(rounded({6928, 1000}, 2), (Rational{693, 100}));
  EXPECT_EQ(rounded({-5, 10}, 0), (Rational{-1, 1}));
}

std::string value(std::string_view text) {
  const Evaluated e = evaluate_expression(text);
  return e.value ? e.value->text() : "none";
}

TEST(Expression, OneNumberWithACommaInParenthesesHasNone) {
  const auto value_of = [](std::string_view text) {
    const Evaluated e = number_or_expression(text);
    return e.value ? e.value->text() : "none";
  };
  for (const char* text : {"(2,400)", "[-36,104]", "-(2,400)", "((2,400))", "\\left(2,400\\right)"})
    EXPECT_EQ(value_of(text), "none") << text;
  EXPECT_EQ(value_of("2,400"), "2400");
  EXPECT_EQ(value_of("(2400)"), "2400");
  EXPECT_EQ(value_of("2 * (2,400 + 1)"), "4802");
}

TEST(Expression, WhatANameEquals) {
  for (const char* text : {"x = 4", "x=4", "$x = 4", " x_1 = 4", "y_{12} =4", "\\(n = 4"})
    EXPECT_EQ(number(without_name(text)), "4") << text;
  for (const char* text : {"4", "xy = 4", "2x = 4", "x + 1 = 4", "f(x) = 4", "x_ = 4", "= 4", "x_{} = 4", "x^2 = 4"})
    EXPECT_EQ(without_name(text), text);
}

TEST(Expression, ValuesByTheRulesOfArithmetic) {
  for (const auto& [text, expected] : std::map<std::string, std::string>{{"1 + 2 * 3", "7"},
                                                                         {"(1 + 2) * 3", "9"},
                                                                         {"2 - 3 - 4", "-5"},
                                                                         {"16 / 4 / 2", "2"},
                                                                         {"2^3^2", "512"},
                                                                         {"-2^2", "-4"},
                                                                         {"2^-1", "1/2"},
                                                                         {"--3", "3"},
                                                                         {"2 * -3 + 1", "-5"},
                                                                         {"[{(4)}]", "4"},
                                                                         {"3 x 4", "12"},
                                                                         {"3 × 4 ÷ 6", "2"},
                                                                         {"\\frac{7}{2}", "7/2"},
                                                                         {"\\frac{1+2}{\\frac{3}{4}}", "4"},
                                                                         {"2\\cdot\\frac{1}{2}", "1"},
                                                                         {"\\left(1+1\\right)", "2"},
                                                                         {"$5$", "5"},
                                                                         {"1 : 4", "1/4"},
                                                                         {"1,000 + 1", "1001"},
                                                                         {"-\\frac{1}{2}^2", "-1/4"},
                                                                         {"", "none"},
                                                                         {"1 +", "none"},
                                                                         {"* 2", "none"},
                                                                         {"(1", "none"},
                                                                         {"1)", "none"},
                                                                         {"(1]", "none"},
                                                                         {"2x + 3", "none"},
                                                                         {"2x - 3", "none"},
                                                                         {"2 x (3)", "6"},
                                                                         {"1 2", "none"},
                                                                         {"1 / 0", "none"},
                                                                         {"1 / (2 - 2)", "none"},
                                                                         {"2^0.5", "none"},
                                                                         {"2^100", "none"},
                                                                         {"\\frac{1}", "none"},
                                                                         {"\\frac 1 2", "1/2"},
                                                                         {"\\frac{1}{2", "none"},
                                                                         {"\\", "none"},
                                                                         {"\\5", "none"},
                                                                         {"sin(1)", "none"},
                                                                         {"()", "none"},
                                                                         {"3 + 사", "none"}})
    EXPECT_EQ(value(text), expected) << text;
  EXPECT_EQ(evaluate_expression("4 * (25 - 25)").numbers.size(), 3u);
  EXPECT_EQ(evaluate_expression("1 + + ) 2").reason, "column 7: a number or ( is missing");
  EXPECT_EQ(value(std::string(kMaxExpression, '(')), "none");
  std::string signs(kMaxExpression, '-');
  signs.back() = '1';
  EXPECT_EQ(value(signs), kMaxExpression % 2 == 0 ? "-1" : "1");
  EXPECT_EQ(value(std::string(kMaxExpression, '1')), "none");
  EXPECT_EQ(value(std::string(kMaxExpression + 1, ' ')), "none");
}

}  // namespace
}  // namespace nuri::tasks
