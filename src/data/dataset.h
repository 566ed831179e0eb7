// A data directory opened for reading: per source and split one stream of tokens over its shards.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/manifest.h"
#include "data/shard.h"

namespace nuri::data {

/// Where a document came from.
struct Origin {
  int source = 0;
  std::string_view file;  // lives as long as the dataset
  uint64_t line = 0;
  Language language = Language::other;
  uint64_t text_bytes = 0;
  uint64_t begin = 0, end = 0;  // tokens of the document in the stream of its source and split
};

/// The tokens of one source and split, shard after shard.
class TokenStream {
 public:
  uint64_t n_tokens() const { return starts_.empty() ? 0 : starts_.back(); }
  uint64_t n_documents() const { return n_documents_; }
  /// ids of [begin, begin + out.size()), which must lie inside. Errors: an id outside the vocabulary (damaged shard).
  void copy(uint64_t begin, std::span<int32_t> out) const;
  /// The document that holds token `position` (< n_tokens).
  Origin origin_at(uint64_t position) const;
  /// Document by its number in the stream.
  Origin document(uint64_t index) const;

 private:
  friend class Dataset;
  Origin origin(size_t shard, uint64_t index) const;
  size_t shard_at(uint64_t position) const;
  int source_ = 0;
  int64_t vocab_size_ = 0;
  uint64_t n_documents_ = 0;
  std::vector<Shard> shards_;
  std::vector<uint64_t> starts_;           // [n_shards + 1] first token of each shard; empty without shards
  std::vector<uint64_t> document_starts_;  // the same for documents
};

class Dataset {
 public:
  /// Reads the manifest, maps the shards and checks them against it. `verify` reads every byte once (checksums).
  /// Errors: missing, damaged or foreign shards, with the remedy.
  static Dataset open(const fs::path& dir, bool verify = true);

  const fs::path& dir() const { return dir_; }
  const Manifest& manifest() const { return manifest_; }
  int n_sources() const { return static_cast<int>(manifest_.sources.size()); }
  const TokenStream& stream(Split split, int source) const {
    return streams_[static_cast<size_t>(split)][static_cast<size_t>(source)];
  }
  uint64_t n_tokens(Split split) const;
  /// The copy of the tokenizer that made the ids.
  fs::path tokenizer_dir() const { return dir_ / "tokenizer"; }
  /// Throws unless a tokenizer.json is the one the ids were made with.
  void check_tokenizer(const fs::path& dir_or_file) const;

 private:
  fs::path dir_;
  Manifest manifest_;
  std::vector<TokenStream> streams_[kSplits];
};

}  // namespace nuri::data
