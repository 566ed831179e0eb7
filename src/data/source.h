// Where text comes from: files, directories and patterns, and what is known of each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "data/clean.h"

namespace nuri::data {

enum class FileKind { text, html, jsonl };

/// By the name without .gz or .zst: .txt and .md are text, .html, .htm and .xhtml HTML, .jsonl and .ndjson JSONL.
std::optional<FileKind> file_kind(const fs::path& path);

struct Source {
  std::string name;                  // unique; made from the first path where not given
  std::vector<std::string> paths;    // files, directories (searched to the bottom), patterns with * ? [] {}
  double weight = 1;                 // how many times an epoch passes over it (mixture weight), > 0
  std::string licence;               // free text for the manifest
  std::string field = "text";        // of JSONL rows
  std::optional<Language> language;  // documents guessed to be in another one are left out (counted)
  double hangul_lines = 0;           // > 0: only lines with at least this share of Hangul are kept
  bool markers = false;              // chat rows we made: added tokens written in the text count, lines repeat
};

/// "PATH" or "PATH::key=value,key=value" with keys name, weight, licence, field, language (ko, en, other),
/// hangul_lines, markers (true, false). Errors: unknown key or value, with what is allowed.
Source parse_source(std::string_view text);

/// Sources of the same name become one (their paths in order; other properties must agree). Names are checked.
std::vector<Source> merge_sources(const std::vector<Source>& sources);

struct SourceFile {
  fs::path path;
  FileKind kind;
};

/// Files of a source, each once, sorted bytewise by path. A directory gives its files of known kinds and counts the
/// others in `n_skipped`; links to directories are not followed. Errors: a path or pattern that matches nothing, a file
/// named directly whose kind is unknown, no file at all.
std::vector<SourceFile> list_files(const Source& source, int64_t& n_skipped);

}  // namespace nuri::data
