// Shards: token ids of documents of one source, memory-mapped, with their boundaries and where each came from.
//
// File (little-endian; every part starts at a multiple of 8):
//   "NURISHRD"  u32 version = 1  u32 bytes per id (2 or 4)
//   ids         n_tokens of them: each document's ids without a gap, [begin] text [end]
//   documents   n_documents records of 40 bytes: u64 first token, u64 line, u64 bytes of text, u64 hash of the text,
//               u32 file, u32 language
//   files       per file: u32 length and the path
//   footer      u64 n_tokens, n_documents, n_files, offset of documents, offset of files, bytes of the file;
//               u64 XXH3-128 of all before the footer (low, high); u64 XXH3-64 of the footer so far; "NURISHRD"
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "data/clean.h"
#include "data/hash.h"

namespace nuri::data {

struct DocumentRecord {
  uint64_t first_token = 0;  // in the shard
  uint64_t line = 0;         // from 1, in the (decompressed) file
  uint64_t text_bytes = 0;   // of the normalised text, without begin and end token
  uint64_t hash = 0;         // XXH3-64 of the normalised text
  uint32_t file = 0;
  Language language = Language::other;
};

class ShardWriter {
 public:
  /// Ids are stored in 2 bytes where every id below vocab_size fits.
  ShardWriter(const fs::path& path, int64_t vocab_size);
  /// Appends a document; record.first_token is set here, `file` is the path as it shall be shown.
  void add(std::span<const int32_t> ids, DocumentRecord record, std::string_view file);
  uint64_t n_tokens() const { return n_tokens_; }
  uint64_t n_documents() const { return documents_.size(); }
  /// Writes index and footer and makes the file appear. Returns the hash of its payload.
  Hash128 finish();

 private:
  void put(const void* data, size_t bytes);
  void pad();
  AtomicFile file_;
  StreamHash hash_;
  int id_bytes_;
  uint64_t n_tokens_ = 0;
  std::vector<DocumentRecord> documents_;
  std::vector<std::string> files_;
  std::vector<char> scratch_;
};

class Shard {
 public:
  Shard() = default;
  /// Maps and checks the layout: sizes, footer, ascending boundaries, file numbers. With `verify` also the hash of the
  /// whole payload. Errors say what is wrong; the remedy is to build the data again.
  static Shard open(const fs::path& path, bool verify);

  const fs::path& path() const { return path_; }
  uint64_t n_tokens() const { return n_tokens_; }
  uint64_t n_documents() const { return n_documents_; }
  /// ids of tokens [begin, begin + out.size()).
  void copy(uint64_t begin, std::span<int32_t> out) const;
  DocumentRecord document(uint64_t index) const;
  uint64_t first_token(uint64_t index) const;  // n_tokens for index = n_documents
  std::string_view file(uint32_t index) const { return files_[index]; }
  /// The document that holds token `position` (< n_tokens).
  uint64_t document_at(uint64_t position) const;
  Hash128 payload_hash() const { return hash_; }

 private:
  fs::path path_;
  MappedFile map_;
  int id_bytes_ = 2;
  uint64_t n_tokens_ = 0, n_documents_ = 0;
  const std::byte* ids_ = nullptr;
  const std::byte* documents_ = nullptr;
  std::vector<std::string_view> files_;
  Hash128 hash_;
};

}  // namespace nuri::data
