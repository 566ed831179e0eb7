#include "text/messages.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace nuri {
namespace {

std::string error_of(const std::string& json) {
  try {
    (void)parse_messages(json, "f");
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST(Messages, RolesAndContents) {
  const auto messages = parse_messages(
      R"([{"role": "user", "content": "누리?"}, {"content": "", "role": "tool"},
          {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "x": 1}]},
          {"role": "assistant", "content": []}])",
      "f");
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[0].role, "user");
  EXPECT_EQ(messages[0].content, "누리?");
  EXPECT_EQ(messages[1].role, "tool");
  EXPECT_EQ(messages[2].content, "ab");
  EXPECT_EQ(messages[3].content, "");
}

TEST(Messages, OtherKeysAreCounted) {
  IgnoredKeys ignored;
  const auto messages = parse_messages(
      R"([{"role": "user", "content": "q", "name": "n", "id": 1, "tool_calls": [], "reasoning_content": "r"},
          {"role": "assistant", "content": "a", "weight": 0, "name": "m", "tool_calls": null, "function_call": null,
           "reasoning_content": null},
          {"role": "assistant", "content": null,
           "tool_calls": [{"id": "c", "index": 0, "type": "function", "function": {"name": "f", "arguments": "{}", "strict": true}}]},
          {"role": "tool", "content": "x", "tool_call_id": "c"}])",
      "f", &ignored);
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[0].thought, "");
  EXPECT_TRUE(messages[1].tool_calls.empty());
  EXPECT_EQ(ignored, (IgnoredKeys{{"id", 1},
                                  {"name", 2},
                                  {"reasoning_content", 1},
                                  {"tool_call_id", 1},
                                  {"tool_calls", 1},
                                  {"tool_calls.function.strict", 1},
                                  {"tool_calls.id", 1},
                                  {"tool_calls.index", 1},
                                  {"weight", 1}}));
  EXPECT_EQ(ignored_keys_text({{"id", 1}, {"name", 2}}),
            "warning: keys of messages that are not read, and how many have them: id (1), name (2)");
  EXPECT_EQ(ignored_keys_text({}), "");
}

TEST(Messages, ThoughtsAndToolCalls) {
  const auto messages = parse_messages(
      R"([{"role": "assistant", "content": "2", "reasoning_content": "1 and 1"},
          {"role": "assistant", "content": "Look:", "tool_calls": [{"type": "custom", "function": {"name": "f", "arguments": "{\"b\": 1, \"a\": 2}"}},
                                                  {"function": {"name": "g", "arguments": ""}}]},
          {"role": "assistant", "tool_calls": [{"function": {"name": "g", "arguments": ""}}]}])",
      "f");
  EXPECT_EQ(messages[0].thought, "1 and 1");
  EXPECT_EQ(messages[0].content, "2");
  ASSERT_EQ(messages[1].tool_calls.size(), 2u);
  EXPECT_EQ(messages[1].content, "Look:");
  EXPECT_EQ(messages[1].tool_calls[0].type, "custom");
  EXPECT_EQ(messages[1].tool_calls[0].name, "f");
  EXPECT_EQ(messages[1].tool_calls[0].arguments, R"({"b": 1, "a": 2})");  // as it stands
  EXPECT_EQ(messages[1].tool_calls[1].type, "function");
  EXPECT_EQ(messages[2].content, "");
}

TEST(Messages, WhatIsRefused) {
  for (const auto& [json, words] : std::vector<std::pair<std::string, std::string>>{
           {"", "f"},
           {"{}", "an array of messages is needed"},
           {"[1]", "message 0"},
           {R"([{"role": "user"}])", "content"},
           {R"([{"content": "x"}])", "role"},
           {R"([{"role": "user", "content": null}])", "null"},
           {R"([{"role": "assistant", "content": null, "tool_calls": []}])", "null"},
           {R"([{"role": 1, "content": "x"}])", "role"},
           {R"([{"role": "user", "content": "a"}, {"role": "user", "content": ["x"]}])", "message 1: content: part 0"},
           {R"([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}])", "text only"},
           {R"([{"role": "assistant", "content": "x", "tool_calls": "f"}])", "an array is needed"},
           {R"([{"role": "assistant", "content": "x", "tool_calls": [{"name": "f"}]}])", "function"},
           {R"([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}])",
            "letter for letter"},
           {R"([{"role": "assistant", "content": "<think>a</think>b", "reasoning_content": "c"}])",
            "keep one of them"}})
    EXPECT_NE(error_of(json).find(words), std::string::npos) << json << " -> " << error_of(json);
}

}  // namespace
}  // namespace nuri
