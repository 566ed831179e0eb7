// Documents of source arguments one by one, and a progress line; shared by verbs that read text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace nuri {

/// Cleaned documents of "PATH" or "PATH::key=value,..." arguments (data/source.h), in order, without duplicates and
/// without lines of at least repeated_line_characters that came before (0: all lines). `scratch` gets the hashes that
/// are too many for dedup_bytes, of documents and again of lines (data/seen_hashes.h).
class SourceDocuments {
 public:
  explicit SourceDocuments(const std::vector<std::string>& sources, int64_t repeated_line_characters = 60,
                           std::filesystem::path scratch = std::filesystem::temp_directory_path(),
                           uint64_t dedup_bytes = uint64_t(48) << 20);
  ~SourceDocuments();
  bool next(std::string& text);
  /// Name of the source of the last document.
  const std::string& source() const;
  /// "3 bad rows left out, the first: FILE: line 2: no valid JSON"; empty where there was none. Known after the end.
  std::string rejected() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// "text=/absolute/path" of each file, directory and pattern that such arguments name, for the record of a run.
std::vector<std::string> text_places(const std::vector<std::string>& sources);

/// A line on standard error that is rewritten in place on a terminal, and shown every 10 seconds elsewhere. The first
/// two seconds stay silent.
class ProgressPrinter {
 public:
  ProgressPrinter();
  void show(const std::string& text);
  void end();

 private:
  double begin_, last_ = 0;
  bool terminal_, shown_ = false;
};

}  // namespace nuri
