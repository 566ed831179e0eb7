#include "text/messages.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace nuri {
namespace {

using Keys = std::vector<std::string_view>;

/// Counts the keys of an object that are neither known nor null.
void count_others(const Json& object, const Keys& known, const char* prefix, IgnoredKeys* ignored) {
  if (!ignored) return;
  for (const auto& [key, value] : object.items())
    if (!value.is_null() && std::find(known.begin(), known.end(), key) == known.end()) ++(*ignored)[prefix + key];
}

std::string content_text(const Json& content, const std::string& where) {
  if (content.is_string()) return content.get<std::string>();
  NURI_CHECK(content.is_array(),
             "{}: content: found {}; a text, or an array of parts {{\"type\": \"text\", \"text\": "
             "...}} is needed",
             where, json_kind(content));
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    const JsonObject part(content[i], fmt::format("{}: content: part {}", where, i));
    NURI_CHECK(
        part.text("type") == "text",
        "{}: it is of the type {:?}; models of this program read text only, so leave the row out or describe the "
        "part in words",
        part.where(), part.text("type"));
    text += part.text("text");
  }
  return text;
}

std::vector<ToolCall> calls_from(const Json& calls, const std::string& where, IgnoredKeys* ignored) {
  NURI_CHECK(calls.is_array(), "{}: tool_calls: found {}; an array is needed", where, json_kind(calls));
  std::vector<ToolCall> out;
  for (size_t i = 0; i < calls.size(); ++i) {
    const JsonObject call(calls[i], fmt::format("{}: tool call {}", where, i));
    const JsonObject function(call.at("function"), call.where() + ": function");
    count_others(calls[i], {"type", "function"}, "tool_calls.", ignored);
    count_others(call.at("function"), {"name", "arguments"}, "tool_calls.function.", ignored);
    const Json& arguments = function.at("arguments");
    NURI_CHECK(arguments.is_string(),
               "{}: arguments: found {}; a string that holds the JSON is needed, as it is rendered letter for letter",
               function.where(), json_kind(arguments));
    out.push_back({call.text_or("type", "function"), function.text("name"), arguments.get<std::string>()});
  }
  return out;
}

}  // namespace

std::string ignored_keys_text(const IgnoredKeys& ignored) {
  std::string text;
  for (const auto& [key, n] : ignored) text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", key, n);
  return text.empty() ? text : "warning: keys of messages that are not read, and how many have them: " + text;
}

std::vector<Message> parse_messages(std::string_view json, std::string_view where, IgnoredKeys* ignored) {
  return messages_from(parse_json(json, where), where, ignored);
}

std::vector<Message> messages_from(const Json& root, std::string_view where, IgnoredKeys* ignored) {
  NURI_CHECK(root.is_array(), "{}: found {}; an array of messages is needed, each {{\"role\": ..., \"content\": ...}}",
             where, json_kind(root));
  std::vector<Message> messages;
  for (size_t i = 0; i < root.size(); ++i) {
    const JsonObject item(root[i], fmt::format("{}: message {}", where, i));
    Message m{item.text("role"), {}};
    Keys known{"role", "content"};
    if (m.role == "assistant") {
      known.insert(known.end(), {"reasoning_content", "tool_calls"});
      if (item.given("reasoning_content")) m.thought = item.text("reasoning_content");
      if (item.given("tool_calls")) m.tool_calls = calls_from(item.at("tool_calls"), item.where(), ignored);
    }
    count_others(root[i], known, "", ignored);
    if (m.tool_calls.empty() || item.given("content")) m.content = content_text(item.at("content"), item.where());
    NURI_CHECK(m.thought.empty() || m.content.find("</think>") == std::string::npos,
               "{}: a thought stands in reasoning_content and another one in content, up to </think>; keep one of them",
               item.where());
    messages.push_back(std::move(m));
  }
  return messages;
}

}  // namespace nuri
