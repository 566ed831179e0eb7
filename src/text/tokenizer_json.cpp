// The reader of tokenizer.json.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer_tables.h"
#include "text/unicode.h"

namespace nuri {
namespace {

constexpr int64_t kMaxTokens = int64_t(1) << 22;
constexpr size_t kMaxTokenBytes = 65536;  // as spelled
constexpr size_t kMaxSteps = 16;          // of a Sequence

[[noreturn]] void unsupported(const std::string& where, const std::string& what) {
  fail(
      "{}: {} is not supported; nuri reads byte-level BPE files (normalizer none or NFC, pre_tokenizer Split, Digits, "
      "ByteLevel, model BPE, decoder ByteLevel)",
      where, what);
}

/// Objects of a component, with a Sequence (key `list`) opened up.
std::vector<std::pair<const Json*, std::string>> flatten(const Json& value, const std::string& where,
                                                         const char* list) {
  std::vector<std::pair<const Json*, std::string>> flat, open{{&value, where}};
  while (!open.empty()) {
    auto [item, place] = open.back();
    open.pop_back();
    const JsonObject object(*item, place);
    if (object.text("type") != "Sequence") {
      flat.emplace_back(item, place);
      NURI_CHECK(flat.size() <= kMaxSteps, "{}: more than {} steps", where, kMaxSteps);
      continue;
    }
    const Json& items = object.at(list);
    NURI_CHECK(items.is_array() && items.size() <= kMaxSteps, "{}: {}: an array of at most {} objects is needed", place,
               list, kMaxSteps);
    for (size_t i = items.size(); i-- > 0;) open.emplace_back(&items[i], fmt::format("{}: {}[{}]", place, list, i));
    NURI_CHECK(open.size() <= kMaxSteps, "{}: more than {} steps", where, kMaxSteps);
  }
  return flat;
}

class Reader {
 public:
  Reader(const Json& root, std::string_view name)
      : root_(root, std::string(name)), tables_(std::make_shared<Tokenizer::Tables>()) {
    tables_->name = name;
  }

  std::shared_ptr<Tokenizer::Tables> read() {
    read_normalizer();
    read_pre_tokenizer();
    read_decoder();
    read_post_processor();
    read_model();
    read_added_tokens();
    finish();
    return tables_;
  }

 private:
  std::string place(std::string_view key) const { return fmt::format("{}: {}", root_.where(), key); }

  void read_normalizer() {
    if (!root_.given("normalizer")) return;
    for (const auto& [item, where] : flatten(root_.at("normalizer"), place("normalizer"), "normalizers")) {
      const std::string type = JsonObject(*item, where).text("type");
      if (type != "NFC") unsupported(where, fmt::format("the normalizer {}", type));
      tables_->nfc = true;
    }
  }

  void read_pre_tokenizer() {
    if (!root_.given("pre_tokenizer")) unsupported(place("pre_tokenizer"), "a file without pre_tokenizer");
    const auto steps = flatten(root_.at("pre_tokenizer"), place("pre_tokenizer"), "pretokenizers");
    std::vector<PreSplitter::Step> read;
    for (size_t i = 0; i < steps.size(); ++i) {
      const JsonObject step(*steps[i].first, steps[i].second);
      const std::string type = step.text("type");
      if (type == "ByteLevel") {
        if (i + 1 != steps.size()) unsupported(step.where(), "a step after ByteLevel");
        tables_->splitter.emplace(std::move(read), step.boolean_or("add_prefix_space", true),
                                  step.boolean_or("use_regex", true));
        return;
      }
      if (type == "Split")
        read.push_back(read_split(step));
      else if (type == "Digits")
        read.push_back(read_digits(step));
      else
        unsupported(step.where(), fmt::format("the pre_tokenizer {}", type));
    }
    unsupported(place("pre_tokenizer"), "a sequence that does not end in ByteLevel");
  }

  static PreSplitter::Step read_split(const JsonObject& step) {
    const JsonObject pattern = step.object("pattern");
    if (!pattern.has("Regex")) unsupported(step.where(), "a Split pattern other than Regex");
    const std::string behavior = step.text("behavior");
    const bool invert = step.boolean_or("invert", false);
    PreSplitter::Step out;
    if (behavior == "Removed" && invert)
      out.drop_gaps = true;
    else if (behavior != "Isolated")
      unsupported(step.where(), fmt::format("Split with behavior {}{}", behavior, invert ? ", inverted" : ""));
    out.regex.emplace_back(pattern.text("Regex"), pattern.where());
    return out;
  }

  static PreSplitter::Step read_digits(const JsonObject& step) {
    PreSplitter::Step out;
    out.kind = PreSplitter::Step::Kind::digits;
    out.each_digit = step.boolean_or("individual_digits", false);
    return out;
  }

  void read_decoder() {
    if (!root_.given("decoder")) unsupported(place("decoder"), "a file without decoder");
    for (const auto& [item, where] : flatten(root_.at("decoder"), place("decoder"), "decoders")) {
      const std::string type = JsonObject(*item, where).text("type");
      if (type != "ByteLevel" && type != "Fuse") unsupported(where, fmt::format("the decoder {}", type));
    }
  }

  void read_post_processor() {  // known kinds only add special tokens or move offsets; encode does neither
    if (!root_.given("post_processor")) return;
    for (const auto& [item, where] : flatten(root_.at("post_processor"), place("post_processor"), "processors")) {
      const std::string type = JsonObject(*item, where).text("type");
      if (type != "ByteLevel" && type != "TemplateProcessing" && type != "RobertaProcessing" &&
          type != "BertProcessing")
        unsupported(where, fmt::format("the post_processor {}", type));
    }
  }

  void read_model() {
    const JsonObject model = root_.object("model");
    // Old files do not write the type; only BPE has merges.
    const std::string type = model.text_or("type", model.has("merges") ? "BPE" : "without type and merges");
    if (type != "BPE") unsupported(model.where(), fmt::format("the model {}", type));
    if (model.given("dropout") && model.number("dropout", 0, 1) > 0) unsupported(model.where(), "dropout");
    if (model.boolean_or("byte_fallback", false)) unsupported(model.where(), "byte_fallback");
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (model.given(key) && !model.text(key).empty()) unsupported(model.where(), key);
    ignore_merges_ = model.boolean_or("ignore_merges", false);
    read_vocab(model);
    read_merges(model);
  }

  void add(int64_t id, const std::string& spelled, std::string bytes, const std::string& where) {
    if (static_cast<size_t>(id) >= tables_->tokens.size()) tables_->tokens.resize(static_cast<size_t>(id) + 1);
    Tokenizer::Tables::Token& token = tables_->tokens[static_cast<size_t>(id)];
    NURI_CHECK(!token.present, "{}: id {} is given to two tokens, {:?} is the second; every token needs its own", where,
               id, spelled);
    NURI_CHECK(tables_->bytes.size() + bytes.size() < (uint64_t(1) << 32), "{}: tokens of more than 4 GiB", where);
    token = {static_cast<uint32_t>(tables_->bytes.size()), static_cast<uint32_t>(bytes.size()), true, false, false};
    tables_->bytes += bytes;
    tables_->ids.emplace(spelled, static_cast<int32_t>(id));
  }

  void read_vocab(const JsonObject& model) {
    const Json& vocab = model.at("vocab");
    const std::string where = model.where() + ": vocab";
    NURI_CHECK(vocab.is_object(), "{}: found {}; an object of token and id is needed", where, json_kind(vocab));
    NURI_CHECK(!vocab.empty() && vocab.size() <= static_cast<size_t>(kMaxTokens), "{}: {} tokens; allowed are 1 to {}",
               where, vocab.size(), kMaxTokens);
    tables_->ids.reserve(vocab.size() + 1024);
    // Ids may leave holes, but not so many that the tables outgrow the file.
    max_id_ = std::min<int64_t>(kMaxTokens, 4 * static_cast<int64_t>(vocab.size()) + 65536) - 1;
    for (const auto& [spelled, id] : vocab.items()) {
      NURI_CHECK(id.is_number_integer(), "{}: {:?}: found {}; an id is needed", where, spelled, json_kind(id));
      const int64_t value =
          id.is_number_unsigned() && id.get<uint64_t>() > uint64_t(INT64_MAX) ? -1 : id.get<int64_t>();
      NURI_CHECK(value >= 0 && value <= max_id_, "{}: {:?}: id {} of {} tokens; allowed are 0 to {}", where, spelled,
                 id.dump(), vocab.size(), max_id_);
      NURI_CHECK(spelled.size() <= kMaxTokenBytes, "{}: a token of {} bytes; allowed are {}", where, spelled.size(),
                 kMaxTokenBytes);
      // A token with characters outside the alphabet (a special one) stands for itself; no merge reaches it.
      add(value, spelled, read_spelled(spelled).value_or(spelled), where);
    }
  }

  int32_t known(std::string_view spelled, const std::string& where, size_t rank) const {
    const auto found = tables_->ids.find(spelled);
    NURI_CHECK(found != tables_->ids.end(),
               "{}[{}]: {:?} is not in the vocabulary; every part and result of a merge must be", where, rank, spelled);
    return found->second;
  }

  void read_merges(const JsonObject& model) {
    const Json& merges = model.at("merges");
    const std::string where = model.where() + ": merges";
    NURI_CHECK(merges.is_array() && merges.size() <= static_cast<size_t>(kMaxTokens),
               "{}: an array of at most {} pairs is needed", where, kMaxTokens);
    std::vector<Merge> list;
    list.reserve(merges.size());
    for (size_t rank = 0; rank < merges.size(); ++rank) {
      const Json& merge = merges[rank];
      std::string_view left, right;
      if (merge.is_string()) {
        const std::string_view text = merge.get_ref<const std::string&>();
        const size_t blank = text.find(' ');
        NURI_CHECK(blank != std::string_view::npos && text.find(' ', blank + 1) == std::string_view::npos,
                   "{}[{}]: found {:?}; two tokens with one blank between them are needed", where, rank, text);
        left = text.substr(0, blank), right = text.substr(blank + 1);
      } else {
        NURI_CHECK(merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string(),
                   "{}[{}]: found {}; a string or a pair of strings is needed", where, rank, json_kind(merge));
        left = merge[0].get_ref<const std::string&>(), right = merge[1].get_ref<const std::string&>();
      }
      NURI_CHECK(!left.empty() && !right.empty(), "{}[{}]: an empty part", where, rank);
      const int32_t a = known(left, where, rank), b = known(right, where, rank);
      list.push_back({a, b, known(std::string(left) += right, where, rank)});
    }
    int32_t byte_ids[256];
    for (int b = 0; b < 256; ++b) {
      const char byte = static_cast<char>(b);
      const auto found = tables_->ids.find(spell_bytes({&byte, 1}));
      byte_ids[b] = found == tables_->ids.end() ? -1 : found->second;
      const bool in_utf8 = b != 0xC0 && b != 0xC1 && b < 0xF5;
      NURI_CHECK(byte_ids[b] >= 0 || !in_utf8,
                 "{}: vocab: no token for byte 0x{:02X}; a byte-level vocabulary needs one for each byte of UTF-8",
                 model.where(), b);
    }
    tables_->bpe = Bpe(byte_ids, list);
  }

  void read_added_tokens() {
    vocab_tokens_ = tables_->tokens.size();
    if (!root_.given("added_tokens")) return;
    const Json& list = root_.at("added_tokens");
    const std::string all = place("added_tokens");
    NURI_CHECK(list.is_array() && list.size() <= static_cast<size_t>(kMaxTokens),
               "{}: an array of at most {} objects is needed", all, kMaxTokens);
    const int64_t last_id = std::min(max_id_ + 65536 + static_cast<int64_t>(list.size()), kMaxTokens - 1);
    for (size_t i = 0; i < list.size(); ++i) {
      const JsonObject item(list[i], fmt::format("{}[{}]", all, i));
      AddedToken token;
      token.id = static_cast<int32_t>(item.integer("id", 0, last_id));
      token.content = item.text("content");
      token.single_word = item.boolean_or("single_word", false);
      token.lstrip = item.boolean_or("lstrip", false);
      token.rstrip = item.boolean_or("rstrip", false);
      token.special = item.boolean_or("special", false);
      token.normalized = item.boolean_or("normalized", !token.special);
      add_token(token, item.where());
    }
  }

  void add_token(const AddedToken& token, const std::string& where) {
    NURI_CHECK(!token.content.empty() && token.content.size() <= 1024, "{}: content of {} bytes; allowed are 1 to 1024",
               where, token.content.size());
    const auto known = tables_->ids.find(token.content);
    if (known == tables_->ids.end()) {
      add(token.id, token.content, token.content, where);
    } else {
      NURI_CHECK(known->second == token.id, "{}: {:?} has id {} here and {} elsewhere in the file", where,
                 token.content, token.id, known->second);
    }
    Tokenizer::Tables::Token& entry = tables_->tokens[static_cast<size_t>(token.id)];
    NURI_CHECK(!entry.added, "{}: {:?} is added twice", where, token.content);
    // "é" is also how byte 0xE9 is spelled: such a token could not be both.
    NURI_CHECK(tables_->bytes_of(entry) == token.content,
               "{}: {:?} is the spelling of a token that stands for other bytes; an added token needs another text",
               where, token.content);
    entry.added = true;
    entry.special = token.special;
    std::string text;
    if (token.normalized && tables_->nfc)
      append_nfc(token.content, text);
    else
      text = token.content;
    (token.normalized ? tables_->normalised_added : tables_->raw_added).add(token, text);
  }

  void finish() {
    if (!ignore_merges_) return;
    for (size_t id = 0; id < vocab_tokens_; ++id) {
      const Tokenizer::Tables::Token& token = tables_->tokens[id];
      if (token.present && !token.added) tables_->whole.emplace(tables_->bytes_of(token), static_cast<int32_t>(id));
    }
  }

  JsonObject root_;
  std::shared_ptr<Tokenizer::Tables> tables_;
  bool ignore_merges_ = false;
  int64_t max_id_ = 0;
  size_t vocab_tokens_ = 0;
};

}  // namespace

std::shared_ptr<Tokenizer::Tables> read_tokenizer_json(std::string_view json, std::string_view name) {
  const Json root = parse_json(json, name);
  return Reader(root, name).read();
}

}  // namespace nuri
