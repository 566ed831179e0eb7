// The reader of tokenizer_config.json: which tokens begin, end and pad, and the chat template.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "text/tokenizer_tables.h"

namespace nuri {

void read_tokenizer_config(std::string_view json, std::string_view name, Tokenizer::Tables& tables) {
  const Json root = parse_json(json, name);
  const JsonObject config(root, std::string(name));
  const auto token = [&](const char* key) -> std::optional<int32_t> {
    if (!config.given(key)) return std::nullopt;
    const Json& value = config.at(key);
    const std::string text = value.is_string() ? value.get<std::string>() : config.object(key).text("content");
    const auto found = tables.ids.find(text);
    return found == tables.ids.end() ? std::nullopt : std::optional(found->second);
  };
  tables.bos = token("bos_token");
  tables.eos = token("eos_token");
  tables.pad = token("pad_token");
  if (!config.given("chat_template")) return;
  const Json& chat = config.at("chat_template");
  if (chat.is_string()) {
    tables.chat_template = chat.get<std::string>();
    return;
  }
  NURI_CHECK(chat.is_array(), "{}: chat_template: found {}; a string or an array of named templates is needed", name,
             json_kind(chat));
  for (const Json& item : chat) {
    const JsonObject named(item, std::string(name) + ": chat_template");
    if (named.text("name") == "default") tables.chat_template = named.text("template");
  }
}

}  // namespace nuri
