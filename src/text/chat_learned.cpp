// What is learned from a conversation (ChatTemplate::render_learned).
#include <algorithm>

#include "base/error.h"
#include "text/chat_template.h"

namespace nuri {
namespace {

constexpr std::string_view kThink = "<think>", kThinkEnd = "</think>";

/// An answer as its author wrote it: "<think>", thought, "</think>", rest; the thought apart; or the rest alone.
struct Answer {
  bool thinks = false;
  std::string thought, rest;
};

Answer parse_answer(const Message& message) {
  const std::string_view content = message.content;
  Answer answer{.thinks = false, .thought = {}, .rest = message.content};
  if (!message.thought.empty()) {  // text alone: with the line ends that R1 puts around it
    const auto begin = [](std::string_view text) { return std::min(text.find_first_not_of('\n'), text.size()); };
    std::string_view thought = message.thought;
    thought = thought.substr(0, thought.find_last_not_of('\n') + 1);
    return {true, fmt::format("\n{}\n", thought.substr(begin(thought))),
            fmt::format("\n\n{}", content.substr(begin(content)))};
  }
  const size_t begin = std::min(content.find_first_not_of(" \t\r\n"), content.size());
  const bool opened = content.substr(begin).starts_with(kThink);
  const size_t end = content.rfind(kThinkEnd);
  NURI_CHECK(!opened || end != std::string_view::npos, "an answer opens <think> and does not close it with </think>");
  if (end == std::string_view::npos) return answer;
  const size_t first = opened ? begin + kThink.size() : 0;
  return {true, std::string(content.substr(first, end - first)), std::string(content.substr(end + kThinkEnd.size()))};
}

bool begins_with(const std::vector<int32_t>& ids, const std::vector<int32_t>& beginning) {
  return ids.size() >= beginning.size() && std::equal(beginning.begin(), beginning.end(), ids.begin());
}

}  // namespace

/// `opened`: the prompt ends with "<think>\n".
void ChatTemplate::append_answer(const Message& message, bool opened, bool learn_thought, LearnedIds& out) const {
  const auto learn = [&](bool learned) { out.learned.resize(out.ids.size(), learned); };
  Answer answer = parse_answer(message);
  const bool thinks = answer.thinks;
  if (opened && !thinks) {  // as R1 leaves a thought out: <think>\n, then \n</think>\n\n
    const Part end[] = {{{}, "\n"}, {kThinkEnd, {}}, {{}, "\n\n"}};
    append(end, out.ids);
  }
  if (thinks) {
    if (opened && answer.thought.starts_with('\n')) answer.thought.erase(0, 1);  // the prompt has it
    std::vector<Part> parts;
    if (!opened) parts.push_back({kThink, {}});
    parts.push_back({{}, answer.thought});
    parts.push_back({kThinkEnd, {}});
    append(parts, out.ids);
  }
  learn(learn_thought);
  tokenizer_.encode_plain_to(answer.rest, out.ids);
  std::vector<Part> calls;
  if (!message.tool_calls.empty()) append_calls(message.tool_calls, true, calls);
  append(calls, out.ids);
  out.ids.push_back(*tokenizer_.eos_id());
  learn(true);
}

std::vector<LearnedIds> ChatTemplate::render_learned(std::span<const Message> messages, bool learn_thought) const {
  std::vector<LearnedIds> out;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role != "assistant") continue;
    NURI_CHECK(i > 0, "a chat begins with an answer; a question has to stand before it");
    LearnedIds one;
    one.ids = render(messages.first(i), true);
    one.learned.resize(one.ids.size(), 0);
    append_answer(messages[i], open_think_ && messages[i - 1].role != "tool", learn_thought, one);
    if (!out.empty() && begins_with(one.ids, out.back().ids)) {
      std::copy(out.back().learned.begin(), out.back().learned.end(), one.learned.begin());
      out.pop_back();
    }
    out.push_back(std::move(one));
  }
  NURI_CHECK(!out.empty(), "a chat without an answer (a message of the role assistant): there is nothing to learn");
  return out;
}

}  // namespace nuri
