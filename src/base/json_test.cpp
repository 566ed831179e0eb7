#include "base/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/nearest.h"
#include "base/test_support.h"

namespace nuri {
namespace {

using test::error_of;

std::string parse_error_of(std::string_view text, const JsonLimits& limits = {}) {
  return error_of([&] { parse_json(text, "x.json", limits); });
}

TEST(Json, ParsesWhatTheLibraryParses) {
  const std::string text = R"({"b":[1,-2,3.5,true,null,"\uD55C\n",{"c":[]}],"a":{"x":18446744073709551615}})";
  EXPECT_EQ(parse_json(text, "x"), Json::parse(text));
  EXPECT_EQ(parse_json("\xEF\xBB\xBF 7 ", "x"), Json(7));
}

TEST(Json, ErrorsNameFilePlaceAndFinding) {
  EXPECT_NE(parse_error_of("{\"a\": 1,\n \"b\" 2}").find("x.json: not valid JSON at line 2, column 6"),
            std::string::npos)
      << parse_error_of("{\"a\": 1,\n \"b\" 2}");
  for (const char* bad : {"", "{", "[1,2", "{\"a\":}", "nul", "[1] 2", "\"\\ud800\"", "\"\xff\"", "\xff\xfe{\0",
                          "1e999", "{\"a\":1e-9999999999", "'a'", "[1,]", "// c\n1"}) {
    EXPECT_NE(parse_error_of(bad).find("x.json"), std::string::npos) << bad;
  }
}

TEST(Json, RefusesAKeyTwice) {
  EXPECT_NE(parse_error_of(R"({"a":1,"b":{"a":2,"a":3}})").find("\"a\" stands twice"), std::string::npos);
}

TEST(Json, KeepsItsLimits) {
  const std::string deep = std::string(1000000, '[');
  EXPECT_NE(parse_error_of(deep).find("nested deeper than 64"), std::string::npos);
  EXPECT_EQ(parse_error_of(std::string(64, '[') + std::string(64, ']')), "no error");
  EXPECT_NE(parse_error_of("[1,2,3]", {.max_values = 3}).find("more than 3 values"), std::string::npos);
  EXPECT_NE(parse_error_of("[1,2,3]", {.max_bytes = 6}).find("7 bytes of JSON; at most 6"), std::string::npos);
}

TEST(Json, ObjectGettersCheckTypeAndRange) {
  const Json value =
      parse_json(R"({"i":7,"f":4.0,"g":4.5,"s":"x","n":null,"b":true,"u":18446744073709551615,"o":{"k":"v"}})", "f");
  const JsonObject object(value, "c.json");
  EXPECT_EQ(object.integer("i", 0, 7), 7);
  EXPECT_EQ(object.integer("f", 0, 7), 4);
  EXPECT_EQ(object.number("g", 0, 7), 4.5);
  EXPECT_EQ(object.text("s"), "x");
  EXPECT_TRUE(object.boolean("b"));
  EXPECT_EQ(object.object("o").text("k"), "v");
  EXPECT_TRUE(object.has("n") && object.is_null("n") && !object.given("n"));
  EXPECT_EQ(object.integer_or("absent", 3, 0, 9), 3);
  EXPECT_EQ(error_of([&] { object.integer("i", 0, 6); }), "c.json: i: found 7; an integer from 0 to 6 is allowed");
  EXPECT_EQ(error_of([&] { object.integer("g", 0, 6); }), "c.json: g: found 4.5; an integer from 0 to 6 is allowed");
  EXPECT_EQ(error_of([&] { object.integer("u", 0, 6); }),
            "c.json: u: found 18446744073709551615; an integer from 0 to 6 is allowed");
  EXPECT_EQ(error_of([&] { object.integer("s", 0, 6); }), "c.json: s: found \"x\"; an integer from 0 to 6 is allowed");
  EXPECT_EQ(error_of([&] { object.number("n", 0, 6); }), "c.json: n: found null; a number from 0 to 6 is allowed");
  EXPECT_EQ(error_of([&] { object.boolean("i"); }), "c.json: i: found 7; true or false is allowed");
  EXPECT_EQ(error_of([&] { object.text("o"); }), "c.json: o: found an object; a string is needed");
  EXPECT_EQ(error_of([&] { object.object("o").text("q"); }), "c.json: o: the key \"q\" is missing; add it");
}

TEST(Json, UnknownKeysNameTheNearest) {
  const Json value = parse_json(R"({"learning_rte":1})", "f");
  EXPECT_EQ(error_of([&] {
              JsonObject(value, "r").refuse_unknown({"learning_rate", "steps"});
            }),
            "r: unknown key \"learning_rte\" (did you mean \"learning_rate\"?); remove it or mend its name");
}

TEST(Json, TextIsStableAndReplacesBadBytes) {
  EXPECT_EQ(json_text(Json{{"b", 1}, {"a", "\xff"}}), "{\n  \"a\": \"\xEF\xBF\xBD\",\n  \"b\": 1\n}\n");
  EXPECT_EQ(json_text(OrderedJson{{"b", 1e-06}, {"a", 10000.0}}), "{\n  \"b\": 1e-06,\n  \"a\": 10000.0\n}\n");
}

TEST(Nearest, PicksTheFewestEditsAndNothingFar) {
  constexpr std::string_view kNames[] = {"steps", "seed", "document_mask"};
  EXPECT_EQ(nearest_name("step", kNames), "steps");
  EXPECT_EQ(nearest_name("documentmask", kNames), "document_mask");
  EXPECT_EQ(nearest_name("temperature", kNames), "");
  EXPECT_EQ(nearest_name(std::string(100000, 'a'), kNames), "");
  EXPECT_EQ(did_you_mean("sed", kNames), " (did you mean \"seed\"?)");
}

}  // namespace
}  // namespace nuri
