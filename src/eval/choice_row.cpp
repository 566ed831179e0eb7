// Rows of multiple choice, in the shapes of known sets.
#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "data/clean.h"
#include "eval/choices.h"

namespace nuri {
namespace {

constexpr uint64_t kMaxRowBytes = uint64_t(1) << 24;
constexpr int64_t kMostChoices = 1000;
constexpr std::string_view kShapes =
    "a question (query, question, question_stem, problem, prompt, ctx; context, passage or paragraph may stand before "
    "it), its choices (a list choices, options or endings, of texts or of text and label; {\"text\": [...], \"label\": "
    "[...]}; {\"A\": ..., \"B\": ...}; or columns A, B, C, ...), and the right one (gold, label, answer_index, "
    "answer_idx: a number from 0; correct, answerKey: a letter or label; answer: a number from 0, of columns from 1, a "
    "letter, or one of the choices); or context_options, continuation and gold";

/// The first of the keys that is there and not null; empty: none.
std::string_view first_given(const JsonObject& row, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys)
    if (row.given(key)) return key;
  return {};
}

std::string letter(size_t i) { return std::string(1, static_cast<char>('A' + i)); }

struct Choices {
  std::vector<std::string> texts, labels;  // labels: A, B, ... where the row has no others
  bool columns = false;
};

std::string text_of(const Json& value, const JsonObject& row, std::string_view key) {
  NURI_CHECK(value.is_string(), "{}: {}: found {} among the choices", row.where(), key, json_kind(value));
  return value.get<std::string>();
}

std::vector<std::string> texts(const Json& list, const JsonObject& row, std::string_view key) {
  NURI_CHECK(list.is_array() && list.size() >= 2 && list.size() <= kMostChoices,
             "{}: {}: found {}; two to {} texts are needed", row.where(), key, json_kind(list), kMostChoices);
  std::vector<std::string> out;
  for (const Json& item : list) out.push_back(text_of(item, row, key));
  return out;
}

/// [{"text": ..., "label": ...}, ...]
Choices labelled(const Json& list, const JsonObject& row, std::string_view key) {
  Choices out;
  for (const Json& item : list) {
    NURI_CHECK(item.is_object() && item.contains("text") && item.contains("label"),
               "{}: {}: found {} among the choices; text and label are needed", row.where(), key, json_kind(item));
    out.texts.push_back(text_of(item["text"], row, key));
    out.labels.push_back(text_of(item["label"], row, key));
  }
  return out;
}

Choices choices_at(const JsonObject& row, std::string_view key) {
  const Json& value = row.at(key);
  Choices out;
  if (value.is_array() && !value.empty() && value[0].is_object()) {
    out = labelled(value, row, key);
  } else if (value.is_object() && value.contains("text") && value.contains("label")) {
    out.texts = texts(value["text"], row, key);
    out.labels = texts(value["label"], row, key);
  } else if (value.is_object()) {
    for (const auto& [label, text] : value.items()) {
      out.labels.push_back(label);
      out.texts.push_back(text_of(text, row, key));
    }
  } else {
    out.texts = texts(value, row, key);
    bool lettered = key == "options" && out.texts.size() <= 26;  // all of them: "A)6", "B) 18"
    for (size_t i = 0; lettered && i < out.texts.size(); ++i) lettered = out.texts[i].starts_with(letter(i) + ")");
    for (std::string& text : out.texts)
      if (lettered) text.erase(0, text.find_first_not_of(' ', 2));
  }
  NURI_CHECK(out.texts.size() >= 2 && out.texts.size() <= kMostChoices &&
                 (out.labels.empty() || out.labels.size() == out.texts.size()),
             "{}: {}: {} choices with {} labels; two to {} choices, each with its own, are needed", row.where(), key,
             out.texts.size(), out.labels.size(), kMostChoices);
  return out;
}

/// Of a table made by a program, which may have taken its cells for numbers.
std::string column(const JsonObject& row, const std::string& key) {
  return row.at(key).is_number() ? row.at(key).dump() : text_of(row.at(key), row, key);
}

Choices choices_of(const JsonObject& row) {
  Choices out;
  if (const std::string_view key = first_given(row, {"choices", "options", "endings"}); !key.empty()) {
    out = choices_at(row, key);
  } else if (row.given("question") && row.at("question").is_object()) {  // {"stem": ..., "choices": [...]}
    out = choices_at(row.object("question"), "choices");
  } else {
    for (size_t i = 0; i < 26 && row.given(letter(i)); ++i) out.texts.push_back(column(row, letter(i)));
    out.columns = true;
    NURI_CHECK(out.texts.size() >= 2, "{}: no choices; a row needs {}", row.where(), kShapes);
  }
  for (size_t i = out.labels.size(); i < std::min<size_t>(26, out.texts.size()); ++i) out.labels.push_back(letter(i));
  return out;
}

std::string with_answer_line(std::string text, std::string_view line) {
  if (!text.ends_with(line)) text += "\n" + std::string(line);
  return text;
}

std::string context_of(const JsonObject& row) {
  const std::string_view key =
      first_given(row, {"query", "question", "question_stem", "problem", "prompt", "ctx", "ctx_a"});
  NURI_CHECK(!key.empty(), "{}: no question; a row needs {}", row.where(), kShapes);
  if (key == "ctx") return row.text(key);  // its endings go on with the sentence
  if (key == "ctx_a") return row.text(key) + (row.given("ctx_b") ? " " + row.text("ctx_b") : "");
  const std::string asked = row.at(key).is_object() ? row.object(key).text("stem") : row.text(key);
  if (key == "query") return asked.starts_with("Question:") ? with_answer_line(asked, "Answer:") : asked;
  const std::string_view before = first_given(row, {"context", "passage", "paragraph"});
  const std::string context = before.empty() ? "" : row.text(before);
  const bool korean = data::guess_language(asked) == data::Language::korean;
  return with_answer_line(context + (context.empty() ? "" : "\n") + asked, korean ? "정답:" : "Answer:");
}

/// The place of the right choice; the number of choices where there is none of that name.
size_t gold_of(const JsonObject& row, std::string_view key, const Choices& choices) {
  const size_t n = choices.texts.size();
  const auto place = [n](const std::vector<std::string>& list, const std::string& name) {
    const auto found = std::find(list.begin(), list.end(), name);
    return found == list.end() ? n : static_cast<size_t>(found - list.begin());
  };
  const Json& value = row.at(key);
  const bool counts = key == "gold" || key == "label" || key == "answer_index" || key == "answer_idx";
  const bool named = key == "correct" || key == "answerKey";
  if (value.is_number_integer() && !named) {
    const int64_t first = key == "answer" && choices.columns ? 1 : 0;
    return static_cast<size_t>(row.integer(key, first, first + static_cast<int64_t>(n) - 1) - first);
  }
  std::string text = value.is_number_integer() ? value.dump() : row.text(key);
  const bool enclosed = text.size() == 3 && text.front() == '(' && text.back() == ')';
  const char only = text.size() == 1 ? text[0] : enclosed ? text[1] : '\0';
  const bool from_one = choices.columns && !counts && only >= '1' && only <= '9';
  if (const auto i = from_one ? static_cast<size_t>(only - '1') : n; i < n) return i;  // "2" as 2, before a text "2"
  if (const size_t same = key == "answer" ? place(choices.texts, text) : n; same < n) return same;
  if (enclosed) text = text.substr(1, 1);
  if (counts && !text.empty() && text.size() <= 4 && text.find_first_not_of("0123456789") == std::string::npos)
    return std::min(n, static_cast<size_t>(std::stoul(text)));
  return place(choices.labels, text);
}

}  // namespace

ChoiceQuestion parse_choice(std::string_view line, const std::string& where) {
  const Json json = parse_json(line, where, {.max_bytes = kMaxRowBytes, .max_depth = 16, .max_values = 100000});
  const JsonObject row(json, where);
  ChoiceQuestion q;
  if (row.has("id")) q.id = row.at("id").is_string() ? row.text("id") : row.at("id").dump();
  if (const std::string_view key = first_given(row, {"category", "Category", "subject"}); !key.empty())
    q.category = row.text(key);
  Choices choices;
  if (row.has("context_options")) {
    q.contexts = choices.texts = texts(row.at("context_options"), row, "context_options");
    q.endings.assign(q.contexts.size(), " " + row.text("continuation"));
  } else {
    choices = choices_of(row);
    q.contexts = {context_of(row)};
    for (const std::string& text : choices.texts) q.endings.push_back(" " + text);
  }
  const std::string_view key =
      first_given(row, {"gold", "correct", "answerKey", "answer_index", "answer_idx", "label", "answer"});
  NURI_CHECK(!key.empty(), "{}: the right choice is missing; a row needs {}", where, kShapes);
  q.gold = gold_of(row, key, choices);
  NURI_CHECK(q.gold < q.endings.size(), "{}: {}: {} is none of the {} choices; a row needs {}", where, key,
             row.at(key).dump(-1, ' ', false, Json::error_handler_t::replace), q.endings.size(), kShapes);
  return q;
}

}  // namespace nuri
