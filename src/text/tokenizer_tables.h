// What a tokenizer file becomes in memory. Private to the tokenizer and its reader.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/pre_split.h"
#include "text/tokenizer.h"

namespace nuri {

/// Working memory of one encode call; kept in a pool because the cache inside is worth keeping.
struct EncodeScratch {
  BpeScratch bpe;
  RegexScratch regex;
  std::string normalised;
};

/// Hash of strings that can be looked up by view.
struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

struct Tokenizer::Tables {
  struct Token {
    uint32_t begin = 0, length = 0;  // in `bytes`
    bool present = false, added = false, special = false;
  };

  std::string name;
  bool nfc = false;
  std::optional<PreSplitter> splitter;
  Bpe bpe;
  AddedTokenMatcher raw_added, normalised_added;
  std::string bytes;                                                          // of all tokens
  std::vector<Token> tokens;                                                  // by id
  std::unordered_map<std::string, int32_t, StringHash, std::equal_to<>> ids;  // as spelled in the file
  std::unordered_map<std::string_view, int32_t> whole;  // pieces taken unmerged (ignore_merges); views of `bytes`
  std::optional<int32_t> bos, eos, pad;
  std::string chat_template;

  std::string_view bytes_of(const Token& token) const {
    return std::string_view(bytes).substr(token.begin, token.length);
  }

  mutable std::mutex pool_mutex;
  mutable std::vector<std::unique_ptr<EncodeScratch>> pool;
};

/// Reads a file of the supported kind. Errors: everything else, with the key and the reason.
std::shared_ptr<Tokenizer::Tables> read_tokenizer_json(std::string_view json, std::string_view name);

/// Adds begin, end, pad and chat template from tokenizer_config.json.
void read_tokenizer_config(std::string_view json, std::string_view name, Tokenizer::Tables& tables);

}  // namespace nuri
