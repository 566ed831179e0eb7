#include "text/chat_template.h"

#include <algorithm>

#include "base/error.h"

namespace nuri {
namespace {

constexpr std::string_view kUser = "<｜User｜>", kAssistant = "<｜Assistant｜>", kThink = "<think>",
                           kThinkEnd = "</think>", kOutputsBegin = "<｜tool▁outputs▁begin｜>",
                           kOutputsEnd = "<｜tool▁outputs▁end｜>", kOutputBegin = "<｜tool▁output▁begin｜>",
                           kOutputEnd = "<｜tool▁output▁end｜>", kCallsBegin = "<｜tool▁calls▁begin｜>",
                           kCallsEnd = "<｜tool▁calls▁end｜>", kCallBegin = "<｜tool▁call▁begin｜>",
                           kCallEnd = "<｜tool▁call▁end｜>", kCallSep = "<｜tool▁sep｜>";

/// The template without blanks and line ends, so that its layout does not matter.
std::string squeezed(const std::string& text) {
  std::string out;
  for (const char c : text)
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') out += c;
  std::replace(out.begin(), out.end(), '"', '\'');
  return out;
}

}  // namespace

ChatTemplate::ChatTemplate(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
  const std::string text = squeezed(tokenizer.chat_template());
  const auto has = [&](std::string_view part) { return text.find(part) != std::string::npos; };
  NURI_CHECK(!text.empty(),
             "the tokenizer has no chat template; chats need tokenizer_config.json with the one of DeepSeek-V3 or R1");
  const bool user = has("{{'<｜User｜>'+message['content']}}");
  const bool answer = has("{{'<｜Assistant｜>'+content+'<｜end▁of▁sentence｜>'}}") ||
                      has("{{'<｜Assistant｜>'+message['content']+'<｜end▁of▁sentence｜>'}}");
  const bool r1 = has("{{'<｜Assistant｜><think>\\n'}}"), v3 = has("{{'<｜Assistant｜>'}}");
  NURI_CHECK(user && answer && (r1 || v3),
             "the tokenizer's chat template is not one of those that are rendered: of DeepSeek-V3, R1 and its "
             "distilled models "
             "({} is missing); where the model was trained with one of these, put it into chat_template of "
             "tokenizer_config.json",
             !user     ? "a user message as <｜User｜> and its text"
             : !answer ? "an answer as <｜Assistant｜>, its text and <｜end▁of▁sentence｜>"
                       : "<｜Assistant｜> at the end");
  open_think_ = r1;
  strip_think_ = has("content.split('</think>')[-1]");
  join_systems_ = has("ns.system_prompt+'\\n\\n'");
  newline_outputs_ = has("'\\n<｜tool▁output▁begin｜>'");
  // Those of the distilled models close only the second call and later ones of an answer.
  const bool closes = has("endfor%}{{'<｜tool▁calls▁end｜><｜end▁of▁sentence｜>'}}") ||
                      has("endfor-%}{{'<｜tool▁calls▁end｜><｜end▁of▁sentence｜>'}}");
  calls_ = closes && has("<｜tool▁call▁begin｜>'+") && has("['function']['arguments']+");
  calls_begin_once_ = !has("ifnotloop.first");
  NURI_CHECK(tokenizer.bos_id() && tokenizer.eos_id(),
             "the tokenizer names no begin and end token; set bos_token and "
             "eos_token in tokenizer_config.json");
  for (const std::string_view marker : {kUser, kAssistant})
    NURI_CHECK(tokenizer.token_id(marker), "the vocabulary lacks the marker {} of its chat template", marker);
}

std::vector<ChatTemplate::Part> ChatTemplate::parts(std::span<const Message> messages, bool to_answer) const {
  NURI_CHECK(!messages.empty(), "a chat without messages; give at least one");
  std::vector<Part> out;
  const auto marker = [&](std::string_view text) { out.push_back({text, {}}); };
  const auto plain = [&](std::string_view text) {
    if (text.empty()) return;
    if (out.empty() || !out.back().marker.empty()) out.push_back({{}, {}});
    out.back().text += text;
  };
  const std::string_view begin = tokenizer_.token_bytes(*tokenizer_.bos_id());
  const std::string_view end = tokenizer_.token_bytes(*tokenizer_.eos_id());
  std::string system;
  bool first_system = true;
  for (const Message& message : messages) {
    if (message.role != "system") continue;
    system = join_systems_ && !first_system ? system + "\n\n" + message.content : message.content;
    first_system = false;
  }
  marker(begin);
  plain(system);
  bool after_tool = false, first_output = true, calls_begun = false;
  for (const Message& message : messages) {
    if (message.role == "user") {
      after_tool = false;
      marker(kUser);
      plain(message.content);
    } else if (!message.tool_calls.empty()) {
      after_tool = false;
      const bool begins = !calls_begin_once_ || !calls_begun;  // that template's flag is never set back
      if (begins) {
        marker(kAssistant);
        plain(message.content);
      }
      append_calls(message.tool_calls, begins, out);
      calls_begun = true;
      marker(end);
    } else if (message.role == "assistant") {
      std::string_view content = message.content;
      if (after_tool) {
        marker(kOutputsEnd);
      } else {
        marker(kAssistant);
        const size_t think = content.rfind(kThinkEnd);
        if (strip_think_ && think != std::string_view::npos) content.remove_prefix(think + kThinkEnd.size());
      }
      plain(content);
      marker(end);
      after_tool = false;
    } else if (message.role == "tool") {
      if (first_output)
        marker(kOutputsBegin);
      else if (newline_outputs_)
        plain("\n");
      marker(kOutputBegin);
      plain(message.content);
      marker(kOutputEnd);
      after_tool = true;
      first_output = false;
    } else {
      NURI_CHECK(message.role == "system", "a message with the role {:?}; allowed are system, user, assistant and tool",
                 message.role);
    }
  }
  if (after_tool) {
    marker(kOutputsEnd);
  } else if (to_answer) {
    marker(kAssistant);
    if (open_think_) {
      marker(kThink);
      plain("\n");
    }
  }
  return out;
}

void ChatTemplate::append_calls(std::span<const ToolCall> calls, bool begins, std::vector<Part>& out) const {
  NURI_CHECK(calls_,
             "an answer calls tools, which the tokenizer's chat template renders in another way than those of "
             "DeepSeek-V3 and R1 do; leave such rows out, or take a base whose template is one of these");
  if (begins) out.push_back({kCallsBegin, {}});
  for (const ToolCall& call : calls) {
    if (!begins || &call != &calls.front()) out.push_back({{}, "\n"});
    out.push_back({kCallBegin, {}});
    out.push_back({{}, call.type});
    out.push_back({kCallSep, {}});
    out.push_back({{}, call.name + "\n```json\n" + call.arguments + "\n```"});
    out.push_back({kCallEnd, {}});
  }
  out.push_back({kCallsEnd, {}});
}

void ChatTemplate::append(std::span<const Part> parts, std::vector<int32_t>& ids) const {
  for (const Part& part : parts) {
    if (part.marker.empty()) {
      tokenizer_.encode_plain_to(part.text, ids);
      continue;
    }
    const auto id = tokenizer_.token_id(part.marker);
    NURI_CHECK(id, "the vocabulary lacks the marker {} of its chat template", part.marker);
    ids.push_back(*id);
  }
}

std::vector<int32_t> ChatTemplate::stop_ids() const {
  std::vector<int32_t> ids{*tokenizer_.eos_id()};
  if (const auto user = tokenizer_.token_id("<｜User｜>")) ids.push_back(*user);
  return ids;
}

std::vector<int32_t> ChatTemplate::render(std::span<const Message> messages, bool to_answer) const {
  std::vector<int32_t> ids;
  append(parts(messages, to_answer), ids);
  return ids;
}

std::string ChatTemplate::render_text(std::span<const Message> messages, bool to_answer) const {
  std::string text;
  for (const Part& part : parts(messages, to_answer)) {
    text += part.marker;
    text += part.text;
  }
  return text;
}

std::string deepseek_r1_template() {
  return R"jinja({%- if add_generation_prompt is not defined %}{% set add_generation_prompt = false %}{% endif -%}
{%- set ns = namespace(system_prompt='', first_system=true, after_tool=false, first_call=true, first_output=true) -%}
{%- for message in messages -%}
  {%- if message['role'] == 'system' -%}
    {%- if ns.first_system -%}
      {%- set ns.system_prompt = message['content'] -%}
    {%- else -%}
      {%- set ns.system_prompt = ns.system_prompt + '\n\n' + message['content'] -%}
    {%- endif -%}
    {%- set ns.first_system = false -%}
  {%- endif -%}
{%- endfor -%}
{{ bos_token }}{{ ns.system_prompt }}
{%- for message in messages -%}
  {%- if message['role'] == 'user' -%}
    {%- set ns.after_tool = false -%}
    {{ '<｜User｜>' + message['content'] }}
  {%- elif message['role'] == 'assistant' and message['tool_calls'] -%}
    {%- set ns.after_tool = false -%}
    {{ '<｜Assistant｜>' + (message['content'] or '') + '<｜tool▁calls▁begin｜>' }}
    {%- for call in message['tool_calls'] -%}
      {%- if not loop.first -%}{{ '\n' }}{%- endif -%}
      {{ '<｜tool▁call▁begin｜>' + call['type'] + '<｜tool▁sep｜>' + call['function']['name'] + '\n```json\n' + call['function']['arguments'] + '\n```<｜tool▁call▁end｜>' }}
    {%- endfor -%}
    {{ '<｜tool▁calls▁end｜><｜end▁of▁sentence｜>' }}
  {%- elif message['role'] == 'assistant' -%}
    {%- if ns.after_tool -%}
      {{ '<｜tool▁outputs▁end｜>' + message['content'] + '<｜end▁of▁sentence｜>' }}
    {%- else -%}
      {%- set content = message['content'] -%}
      {%- if '</think>' in content -%}{%- set content = content.split('</think>')[-1] -%}{%- endif -%}
      {{ '<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>' }}
    {%- endif -%}
    {%- set ns.after_tool = false -%}
  {%- elif message['role'] == 'tool' -%}
    {%- set ns.after_tool = true -%}
    {%- if ns.first_output -%}{{ '<｜tool▁outputs▁begin｜>' }}{%- endif -%}
    {{ '<｜tool▁output▁begin｜>' + message['content'] + '<｜tool▁output▁end｜>' }}
    {%- set ns.first_output = false -%}
  {%- endif -%}
{%- endfor -%}
{%- if ns.after_tool -%}
  {{ '<｜tool▁outputs▁end｜>' }}
{%- elif add_generation_prompt -%}
  {{ '<｜Assistant｜><think>\n' }}
{%- endif -%})jinja";
}

}  // namespace nuri
