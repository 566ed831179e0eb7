// One raw document to clean text: the part of the build that runs in parallel.
#pragma once

#include <cstdint>
#include <string>

#include "data/clean.h"
#include "data/jsonl.h"
#include "data/reader.h"

namespace nuri::data {

struct Prepared {
  std::string text;        // tidy UTF-8 in NFC; empty: nothing left
  std::string rejected;    // why the row is bad; empty: it is good
  bool blank_row = false;  // an empty line of a JSONL file: no document at all
  Encoding encoding = Encoding::utf8;
  int64_t invalid = 0;
  Language language = Language::other;
  Hash128 hash;  // of the text
};

Prepared prepare(const RawDocument& raw, const Source& source, const ReadLimits& limits, RowParser& parser);

}  // namespace nuri::data
