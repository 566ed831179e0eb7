// From text to shards: read, clean, split, tokenise, write. Memory does not grow with the input: the hashes of
// documents (16 bytes each) and of long lines (8 bytes each, of one source at a time) go to scratch files in the data
// directory where they are too many (seen_hashes.h). What is left in proportion are the names of files and, of the
// shards being written, 40 bytes a document.
//
// A document becomes [begin] ids [end]: begin where the tokenizer has one (so that the first token of a document is
// predicted too, and generation starts as training did), end always.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/manifest.h"
#include "data/reader.h"
#include "data/source.h"

namespace nuri::data {

struct BuildOptions {
  std::vector<Source> sources;
  fs::path tokenizer;                     // directory or tokenizer.json
  fs::path out;                           // made; gets manifest.json, *.shard, rejected.jsonl, tokenizer/
  double validation = 0.01;               // share of the documents held out: those whose hash is small. 0: none
  uint64_t split_seed = 0;                // another seed, another held-out set
  int64_t repeated_line_characters = 60;  // lines at least this long are kept once per source (0: all)
  ReadLimits limits;
  uint64_t shard_tokens = uint64_t(1) << 26;  // a shard is closed at the first document end from here on
  uint64_t dedup_bytes = uint64_t(48) << 20;  // memory of the hashes of documents, and again of those of lines
  bool overwrite = false;                     // replace a data directory that is complete
};

struct BuildProgress {
  std::string source, file;
  uint64_t bytes_read = 0, bytes_total = 0;  // of the files as they lie on disk
  int64_t documents = 0, tokens = 0;         // kept so far
};

/// Builds the data directory. The result depends on nothing but input and options (not on threads). If `validation` is
/// above 0 and no document is selected, the one with the smallest hash is (where there are at least two).
/// Bad rows (broken JSON, missing field, overlong, undecodable, words without end) are counted, left out and written to
/// rejected.jsonl with file, line, reason and up to 128 KiB of the content. Errors: unreadable or damaged files,
/// nothing to learn from, an existing directory.
Manifest build_dataset(const BuildOptions& options, const std::function<void(const BuildProgress&)>& progress = {});

/// Is `out` complete and made by the same options from files of the same names, sizes and times, with this tokenizer?
bool is_up_to_date(const BuildOptions& options);

}  // namespace nuri::data
