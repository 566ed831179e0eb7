#include "tasks/problem_row.h"

#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "tasks/lookup.h"
#include "tasks/response.h"

namespace nuri::tasks {
namespace {

constexpr size_t kMostNumbers = 64;
using Keys = std::initializer_list<std::string_view>;

/// The first of the keys that is there and not null, as it is written in the row: Question too. Empty: none.
std::string first_given(const JsonObject& row, Keys keys) {
  for (const std::string_view key : keys) {
    std::string name(key);
    if (row.given(name)) return name;
    name[0] = static_cast<char>(name[0] & ~0x20);
    if (row.given(name)) return name;
  }
  return {};
}

/// A number or text as text: sets write "final": "27", "final": 27, 27.5 and ["27"].
std::string text_of(const JsonObject& row, std::string_view key) {
  const Json& value = row.at(key);
  if (value.is_number_integer()) return std::to_string(row.integer(key, INT64_MIN, INT64_MAX));
  if (value.is_number_float()) {  // 3.0 is 3: a table of floats says nothing of decimal places
    const double number = value.get<double>();
    constexpr double kExact = 9007199254740992.0;  // 2^53
    const bool whole = number == std::trunc(number) && std::abs(number) <= kExact;
    return whole ? std::to_string(static_cast<int64_t>(number)) : value.dump();
  }
  if (value.is_array() && value.size() == 1 && value[0].is_string()) return value[0].get<std::string>();
  return row.text(key);
}

/// The text there, or the first of a list of texts; empty: there is none, or something else.
std::string text_if(const JsonObject& row, std::string_view key) {
  if (!row.given(key)) return {};
  const Json& value = row.at(key);
  const Json& first = value.is_array() && !value.empty() ? value[0] : value;
  return first.is_string() ? first.get<std::string>() : "";
}

/// What a worked solution ends with.
struct Worked {
  std::string solution;
  std::optional<std::string> answer;  ///< nothing: it is not marked
};

/// Behind the last "####", a number without separators of thousands (GSM8K); else in the last \boxed{} (MATH).
Worked split_worked(const std::string& text, const std::string& where, std::string_view key) {
  const size_t mark = text.rfind("####");
  if (mark == std::string::npos) {
    const auto boxed = last_boxed(text);
    return {text, boxed ? std::optional<std::string>(trimmed(*boxed)) : std::nullopt};
  }
  std::string answer(trimmed(std::string_view(text).substr(mark + 4)));
  NURI_CHECK(!answer.empty(), "{}: {}: nothing stands behind ####", where, key);
  if (answer.find_first_not_of("+-0123456789,.") == std::string::npos) std::erase(answer, ',');
  return {text.substr(0, mark), answer};
}

/// The question, with what stands before it.
std::string prompt_of(const JsonObject& row, std::string& key) {
  key = first_given(row, {"prompt", "instruction", "question", "problem", "query", "input"});
  const std::string beside = first_given(row, {"context", "passage", "body"});
  const bool is_text = !beside.empty() && row.at(beside).is_string();  // HotpotQA's is an object of paragraphs
  const std::string context = is_text ? row.text(beside) : "";
  if (key.empty()) return key = is_text ? beside : "", context;
  std::string text = row.text(key);
  if (key == "instruction" && row.given("input") && !row.text("input").empty()) text += "\n\n" + row.text("input");
  if (key != "prompt" && !context.empty()) text = context + "\n" + text;
  return text;
}

bool has_choices(const JsonObject& row) {
  return !first_given(row, {"choices", "options", "endings"}).empty() || (row.given("A") && row.given("B"));
}

}  // namespace

Problem parse_problem(std::string_view text, const std::string& where) {
  const Json json = parse_json(text, where, {.max_bytes = uint64_t(1) << 24, .max_depth = 16, .max_values = 1 << 16});
  NURI_CHECK(json.is_object(), "{}: found {}; a problem is an object", where, json_kind(json));
  const JsonObject row(json, where);
  Problem p;
  std::string asked;
  p.prompt = prompt_of(row, asked);
  const bool own = asked == "prompt" && row.given("answer");  // taken to the letter
  NURI_CHECK(own || !has_choices(row),
             "{}: multiple choice; `nuri eval --choices FILE` asks it. As a problem it needs prompt and answer", where);
  const std::string key = own ? "answer"
                              : first_given(row, {"final", "final_answer", "expected_answer", "answer", "target",
                                                  "reference", "output", "solution", "response"});
  NURI_CHECK(!asked.empty() && !key.empty(),
             "{}: a problem needs a question (prompt, question, problem, query, input or instruction; context may "
             "stand before it, or alone) and an answer (final, final_answer, expected_answer, target, reference, or "
             "answer, output, solution, response, where \"#### \" or \\boxed{{}} may mark it)",
             where);
  p.answer = text_of(row, key);
  if (!own && (key == "answer" || key == "output" || key == "solution" || key == "response")) {
    Worked worked = split_worked(p.answer, where, key);
    if (worked.answer) p.solution = std::move(worked.solution), p.answer = std::move(*worked.answer);
  }
  if (p.solution.empty() && key != "solution") p.solution = text_if(row, "solution");
  if (p.solution.empty() && !own && key != "answer" && row.given("answer") && row.at("answer").is_string())
    p.solution = split_worked(row.text("answer"), where, "answer").solution;
  if (row.given("id")) p.id = text_of(row, "id");
  for (const char* name : {"type", "subject", "task"})
    if (row.given(name) && row.at(name).is_string()) p.category = row.text(name);
  if (const std::string name = first_given(row, {"category"}); !name.empty()) p.category = row.text(name);
  if (row.given("language") && row.at("language").is_string()) p.language = row.text("language");
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
  if (row.given("target") && (own || !p.numbers.empty())) p.target = row.integer("target", INT64_MIN, INT64_MAX);
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
