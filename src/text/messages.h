// Messages of a chat, as rows of JSON have them: the shape of the OpenAI and DeepSeek interfaces.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace nuri {

struct ToolCall {
  std::string type = "function", name;
  std::string arguments;  ///< JSON as text, rendered as it stands
};

struct Message {
  std::string role;  ///< "system", "user", "assistant" or "tool"
  std::string content;
  std::string thought = {};  ///< of an answer, where it does not stand in the content as <think>...</think>
  std::vector<ToolCall> tool_calls = {};  ///< of an answer
};

/// How many messages had a key that is not read, by key; those of tool calls as "tool_calls.KEY".
using IgnoredKeys = std::map<std::string, int64_t>;

/// "warning: ...", one line that names the keys and how many messages have each; "" where there are none.
std::string ignored_keys_text(const IgnoredKeys& ignored);

/// Messages from a JSON array of {"role", "content"}; of assistants also "reasoning_content", the thought, and
/// "tool_calls", [{"type", "function": {"name", "arguments"}}], with which the content may be null or absent. A content
/// is a text or an array of {"type": "text", "text"}, which are joined. Keys that are null count as absent, other keys
/// are counted in `ignored`. Errors, naming `where` and the message: another shape, a part that is no text, a thought
/// in both places.
std::vector<Message> parse_messages(std::string_view json, std::string_view where, IgnoredKeys* ignored = nullptr);
std::vector<Message> messages_from(const Json& array, std::string_view where, IgnoredKeys* ignored = nullptr);

}  // namespace nuri
