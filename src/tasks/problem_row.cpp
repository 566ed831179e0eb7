#include "tasks/problem_row.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/json.h"

namespace nuri::tasks {
namespace {

constexpr size_t kMostNumbers = 64;

/// A number or text as text: sets write "final": "27" and "final": 27.
std::string text_of(const JsonObject& row, std::string_view key) {
  return row.at(key).is_number_integer() ? std::to_string(row.integer(key, INT64_MIN, INT64_MAX)) : row.text(key);
}

/// The solution, and what stands behind "####", a number without separators of thousands; nothing: there is no mark.
std::pair<std::string, std::optional<std::string>> split_gsm8k(const std::string& text) {
  const size_t mark = text.rfind("####");
  if (mark == std::string::npos) return {text, std::nullopt};
  const size_t first = text.find_first_not_of(" \n\r\t", mark + 4), last = text.find_last_not_of(" \n\r\t");
  std::string answer = first == std::string::npos ? "" : text.substr(first, last + 1 - first);
  if (answer.find_first_not_of("+-0123456789,.") == std::string::npos) std::erase(answer, ',');
  return {text.substr(0, mark), answer};
}

}  // namespace

Problem parse_problem(std::string_view text, const std::string& where) {
  const Json json = parse_json(text, where, {.max_bytes = uint64_t(1) << 24, .max_depth = 16, .max_values = 1 << 16});
  NURI_CHECK(json.is_object(), "{}: found {}; a problem is an object", where, json_kind(json));
  const JsonObject row(json, where);
  Problem p;
  const bool exam = row.given("input") && row.given("target") && row.at("target").is_string();
  if (exam) {
    p.prompt = row.text("input");
    p.answer = row.text("target");
    p.category = row.text_or("task", "");
  } else if (row.given("problem") && row.given("final")) {
    p.prompt = row.text("problem");
    p.answer = text_of(row, "final");
    p.solution = row.text_or("solution", "");
  } else if (row.given("prompt") && row.given("answer")) {
    p.prompt = row.text("prompt");
    p.answer = text_of(row, "answer");
    p.solution = row.text_or("solution", "");
  } else if (row.given("question") && row.given("final")) {
    p.prompt = row.text("question");
    p.answer = text_of(row, "final");
    if (row.given("answer") && row.at("answer").is_string()) p.solution = split_gsm8k(row.text("answer")).first;
  } else if (row.given("question") && row.given("answer") && !row.given("choices")) {
    p.prompt = row.text("question");
    const auto [told, final_answer] = split_gsm8k(text_of(row, "answer"));
    p.answer = final_answer.value_or(told);  // no mark: all of it is the answer
    if (final_answer) p.solution = told;
    NURI_CHECK(!p.answer.empty(), "{}: answer: nothing stands behind ####", where);
  } else {
    fail(
        "{}: none of the pairs prompt and answer, question and answer, question and final, problem and final, input "
        "and target are there",
        where);
  }
  if (row.given("id")) p.id = text_of(row, "id");
  p.category = row.text_or("category", p.category);
  p.language = row.text_or("language", "");
  if (row.given("numbers")) {
    const Json& numbers = row.at("numbers");
    NURI_CHECK(numbers.is_array() && numbers.size() <= kMostNumbers,
               "{}: numbers: found {}; allowed is an array of at most {}", where, json_kind(numbers), kMostNumbers);
    for (const Json& number : numbers) {
      NURI_CHECK(number.is_number_integer() && (!number.is_number_unsigned() || number.get<uint64_t>() <= INT64_MAX),
                 "{}: numbers: found {}; allowed are whole numbers below 2^63", where, json_kind(number));
      p.numbers.push_back(number.get<int64_t>());
    }
  }
  if (row.given("target") && !exam) p.target = row.integer("target", INT64_MIN, INT64_MAX);
  return p;
}

std::string problem_row(const Problem& p) {
  OrderedJson row;
  const auto set = [&row](const char* key, const std::string& value) {
    if (!value.empty()) row[key] = value;
  };
  set("id", p.id), set("category", p.category), set("language", p.language);
  row["prompt"] = p.prompt, row["answer"] = p.answer;
  set("solution", p.solution);
  if (!p.numbers.empty()) row["numbers"] = p.numbers;
  if (p.target) row["target"] = *p.target;
  return row.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

std::string chat_row(const Problem& p) {
  OrderedJson row;
  row["messages"].push_back({{"role", "user"}, {"content", p.prompt}});
  row["messages"].push_back({{"role", "assistant"}, {"content", "<think>\n" + p.solution + "\n</think>\n" + p.answer}});
  return row.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace nuri::tasks
