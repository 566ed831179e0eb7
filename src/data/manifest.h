// manifest.json of a data directory: what was read, what was left out and why, which shards hold the rest.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "data/clean.h"
#include "data/source.h"

namespace nuri::data {

enum class Split : uint8_t { train = 0, validation = 1 };
inline constexpr int kSplits = 2;
std::string_view split_name(Split split);  // "train", "validation"

struct Amount {
  int64_t documents = 0, tokens = 0, text_bytes = 0;  // tokens with begin and end tokens; bytes of normalised text
  Amount& operator+=(const Amount& other);
};

/// Amounts of one source, per split and language.
using AmountTable = std::array<std::array<Amount, kLanguages>, kSplits>;

struct SourceReport {
  Source source;
  int64_t files = 0, skipped_files = 0;  // skipped: of unknown kind, inside directories
  int64_t documents_read = 0;            // rows, pages and pieces of text files, blank rows apart
  int64_t rejected = 0;                  // bad rows, set aside in rejected.jsonl
  int64_t empty = 0, other_language = 0, duplicates = 0;
  int64_t repeated_lines = 0;                // lines dropped out of kept documents
  int64_t invalid_sequences = 0;             // replaced by U+FFFD in kept documents
  std::map<std::string, int64_t> encodings;  // files by encoding
  AmountTable amounts = {};
  Amount total(Split split) const;
};

struct ShardEntry {
  std::string file;  // beside the manifest
  Split split = Split::train;
  int source = 0;
  Amount amount;
  std::string hash;  // XXH3-128 of the shard's payload
};

struct Manifest {
  std::string tokenizer_hash;  // XXH3-128 of tokenizer.json
  int64_t vocab_size = 0;
  int32_t begin_id = -1, end_id = -1;  // -1: documents have no begin token
  double validation = 0;               // share of the documents asked for
  uint64_t split_seed = 0;
  int64_t repeated_line_characters = 0;
  uint64_t document_bytes = 0;
  bool smallest_validation = false;  // no document fell under the share, so the one with the smallest hash was taken
  std::vector<SourceReport> sources;
  std::vector<ShardEntry> shards;
  std::string hash;  // XXH3-128 of manifest.json; set by read and write

  Amount total(Split split) const;
  Amount total(Split split, Language language) const;
};

/// Text of manifest.json. No time or machine in it: the same input gives the same bytes.
std::string manifest_text(const Manifest& manifest);
void write_manifest(Manifest& manifest, const fs::path& dir);
/// `where` names the text in errors.
Manifest parse_manifest(std::string_view text, const std::string& where);
/// Errors: no manifest.json ("build the data first"), unknown version, any value out of its range.
Manifest read_manifest(const fs::path& dir);

}  // namespace nuri::data
