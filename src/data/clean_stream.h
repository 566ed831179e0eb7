// Clean documents of a list of sources, in input order, without duplicates: what the tokenizer is trained on and what
// the shards are made of.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/clean.h"
#include "data/manifest.h"
#include "data/prepare.h"
#include "data/reader.h"
#include "data/source.h"

namespace nuri::data {

struct CleanDocument {
  std::string text;  // tidy UTF-8 in NFC, not empty
  Hash128 hash;      // of the text before repeated lines were dropped: a function of the document alone
  Language language = Language::other;
  int source = 0;
  std::string file;
  uint64_t line = 1;  // from 1, in the (decompressed) file
};

/// A bad row: the raw bytes (the beginning of overlong ones), its file and the reason.
using RejectedRow = std::function<void(const RawDocument& raw, const fs::path& file, const std::string& reason)>;

class CleanStream {
 public:
  /// Lists the files of all sources first, so that a wrong path is found before work begins. Lines of at least
  /// `repeated_line_characters` that came before in the same source are dropped (0: none; sources
  /// with markers keep all their lines). `storage`: of the hashes of documents, and again of the hashes of lines.
  CleanStream(std::vector<Source> sources, ReadLimits limits, int64_t repeated_line_characters,
              RejectedRow on_rejected = {}, SeenStorage storage = {});
  ~CleanStream();
  /// The documents of the next few megabytes of input, prepared on all threads; may be none. False at the end. All of
  /// one batch belong to the same source.
  bool next_batch(std::vector<CleanDocument>& batch);

  /// Counts so far (without amounts), one per source.
  std::vector<SourceReport>& reports() { return reports_; }
  const std::vector<SourceReport>& reports() const { return reports_; }
  uint64_t bytes_read() const;
  uint64_t bytes_total() const { return bytes_total_; }
  std::string current_source() const;
  std::string current_file() const;

 private:
  struct Item {
    RawDocument raw;
    Prepared clean;
  };
  void start_source();
  /// Counts a document and says whether it is kept.
  bool select(Item& item);
  ReadLimits limits_;
  int64_t repeated_line_characters_;
  RejectedRow on_rejected_;
  std::vector<SourceReport> reports_;
  std::vector<std::vector<SourceFile>> files_;
  std::vector<RowParser> parsers_;  // one per thread
  SeenStorage storage_;
  SeenHashes<Hash128> seen_;
  size_t source_ = 0;
  std::unique_ptr<DocumentReader> reader_;
  std::unique_ptr<RepeatedLines> lines_;
  uint32_t last_file_ = 0;
  uint64_t bytes_total_ = 0, finished_bytes_ = 0;
};

}  // namespace nuri::data
