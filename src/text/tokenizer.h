// Byte-level BPE as written in Hugging Face's tokenizer.json: added tokens are cut out, the rest is normalised (nothing
// or NFC), split into pieces, and each piece is merged from single bytes by merge rank.
//
// Supported: normalizer null / NFC; pre_tokenizer Split (regular expression), Digits, ByteLevel, or a Sequence ending
// in ByteLevel; model BPE; decoder ByteLevel. The post_processor, truncation and padding of a file are never applied:
// encode adds no token and drops none. Every other kind of file is refused with its reason.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace nuri {

/// Immutable and safe to use from many threads at once; a copy shares its tables.
class Tokenizer {
 public:
  /// Reads DIR/tokenizer.json, and DIR/tokenizer_config.json and DIR/chat_template.jinja when they are there; given a
  /// file, reads that file as tokenizer.json and looks for the others beside it.
  static Tokenizer load(const fs::path& dir_or_file);
  /// The same from memory. `config_json` may be empty. `name` stands in error messages.
  static Tokenizer from_json(std::string_view tokenizer_json, std::string_view config_json = {},
                             std::string_view name = "tokenizer.json");

  /// Token ids of a text. Added tokens written in the text are matched, none are added.
  /// Errors: bytes that are not UTF-8 (with their offset), a piece of more than 4 MiB (PieceTooLong of bpe.h).
  std::vector<int32_t> encode(std::string_view utf8) const;
  /// The same, appended to `out`.
  void encode_to(std::string_view utf8, std::vector<int32_t>& out) const;
  /// Appends the ids of text from a user: added tokens written in it are ordinary characters.
  void encode_plain_to(std::string_view utf8, std::vector<int32_t>& out) const;

  /// The text of ids; bytes that form no character become U+FFFD. skip_special leaves out tokens marked special.
  /// Errors: an id outside [0, vocab_size).
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;

  /// The text as encode sees it after normalisation: what decode gives back.
  std::string normalise(std::string_view utf8) const;

  int32_t vocab_size() const;  ///< highest id + 1, added tokens included
  /// Id of a token as it is spelled in the file: added tokens by their text, others in the byte alphabet ("Ġthe").
  std::optional<int32_t> token_id(std::string_view token) const;
  std::optional<int32_t> bos_id() const;
  std::optional<int32_t> eos_id() const;
  std::optional<int32_t> pad_id() const;
  /// Raw bytes a token stands for; may be part of a character. Empty for an id that no token has.
  std::string_view token_bytes(int32_t id) const;
  bool is_added(int32_t id) const;
  bool is_special(int32_t id) const;
  /// Jinja template of tokenizer_config.json or chat_template.jinja; empty where there is none.
  const std::string& chat_template() const;

  struct Tables;

 private:
  explicit Tokenizer(std::shared_ptr<const Tables> tables);
  std::shared_ptr<const Tables> tables_;
};

}  // namespace nuri
