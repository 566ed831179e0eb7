#include "text/tokenizer_write.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "text/byte_alphabet.h"
#include "text/chat_template.h"
#include "text/scan.h"

namespace nuri {
namespace {

std::string json_string(std::string_view text) { return OrderedJson(text).dump(); }

struct Added {
  int32_t id;
  std::string text;
  bool special;
};

std::vector<Added> added_tokens(const TokenizerLayout& layout) {
  std::vector<Added> added;
  int32_t id = 0;
  const auto take = [&](const std::string& text, bool special) { added.push_back({id++, text, special}); };
  for (size_t i = 0; i < TokenizerLayout::kFirstSpecial; ++i) take(layout.special[i].text, layout.special[i].special);
  id += static_cast<int32_t>(layout.tokens.size());
  for (int32_t n = 0; n < layout.placeholders; ++n) take(fmt::format("<｜place▁holder▁no▁{}｜>", n), true);
  for (size_t i = TokenizerLayout::kFirstSpecial; i < layout.special.size(); ++i)
    take(layout.special[i].text, layout.special[i].special);
  return added;
}

OrderedJson added_json(const Added& token, bool with_id) {
  OrderedJson json;
  if (with_id) json["id"] = token.id;
  json["content"] = token.text;
  json["single_word"] = false;
  json["lstrip"] = false;
  json["rstrip"] = false;
  json["normalized"] = false;
  json["special"] = token.special;
  return json;
}

OrderedJson byte_level(bool add_prefix_space, bool trim_offsets, bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", add_prefix_space},
          {"trim_offsets", trim_offsets},
          {"use_regex", use_regex}};
}

OrderedJson pre_tokenizer(SplitPattern pattern) {
  OrderedJson steps = OrderedJson::array();
  for (const std::string_view regex : split_patterns(pattern)) {
    steps.push_back({{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}});
  }
  steps.push_back(byte_level(false, true, false));
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

}  // namespace

std::vector<std::string_view> split_patterns(SplitPattern pattern) {
  if (pattern == SplitPattern::gpt2) return {kGpt2Pattern};
  return {kDeepseekDigits, kDeepseekCjk, kDeepseekWords};
}

std::string write_tokenizer_json(const TokenizerLayout& layout) {
  OrderedJson head;
  head["version"] = "1.0";
  head["truncation"] = nullptr;
  head["padding"] = nullptr;
  head["added_tokens"] = OrderedJson::array();
  for (const Added& token : added_tokens(layout)) head["added_tokens"].push_back(added_json(token, true));
  head["normalizer"] = nullptr;
  if (layout.nfc) head["normalizer"] = {{"type", "NFC"}};
  head["pre_tokenizer"] = pre_tokenizer(layout.pattern);
  head["post_processor"] = byte_level(true, false, true);
  head["decoder"] = byte_level(true, true, true);

  // The model is written by hand: one token or merge a line, tokens by id.
  std::vector<std::string> spelled;
  for (size_t i = 0; i < TokenizerLayout::kFirstSpecial; ++i) spelled.push_back(layout.special[i].text);
  for (const std::string& token : layout.tokens) spelled.push_back(spell_bytes(token));
  std::string text = json_text(head);
  text.erase(text.rfind('}'));
  while (text.back() == '\n' || text.back() == ' ') text.pop_back();
  text +=
      ",\n  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": null,\n"
      "    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n    \"fuse_unk\": false,\n"
      "    \"byte_fallback\": false,\n    \"ignore_merges\": false,\n    \"vocab\": {";
  for (size_t id = 0; id < spelled.size(); ++id)
    text += fmt::format("{}\n      {}: {}", id ? "," : "", json_string(spelled[id]), id);
  text += "\n    },\n    \"merges\": [";
  for (size_t rank = 0; rank < layout.merges.size(); ++rank) {
    const Merge& merge = layout.merges[rank];
    text += fmt::format(
        "{}\n      {}", rank ? "," : "",
        json_string(spelled[static_cast<size_t>(merge.left)] + " " + spelled[static_cast<size_t>(merge.right)]));
  }
  text += layout.merges.empty() ? "]\n  }\n}\n" : "\n    ]\n  }\n}\n";
  return text;
}

std::string write_tokenizer_config(const TokenizerLayout& layout) {
  OrderedJson config;
  config["add_bos_token"] = false;
  config["add_eos_token"] = false;
  config["bos_token"] = layout.special[0].text;
  config["eos_token"] = layout.special[1].text;
  config["pad_token"] = layout.special[2].text;
  config["unk_token"] = nullptr;
  config["clean_up_tokenization_spaces"] = false;
  config["model_max_length"] = layout.max_seq_len;
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  config["added_tokens_decoder"] = OrderedJson::object();
  // Ids differ: pushed behind each other, without the search that inserting a key would make.
  auto& decoder = config["added_tokens_decoder"].get_ref<OrderedJson::object_t&>();
  for (const Added& token : added_tokens(layout))
    decoder.push_back({std::to_string(token.id), added_json(token, false)});
  config["chat_template"] = deepseek_r1_template();
  return json_text(config);
}

}  // namespace nuri
