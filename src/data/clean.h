// Cleaning of one document, and what is remembered across documents to drop what came before.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "data/hash.h"
#include "data/seen_hashes.h"

namespace nuri::data {

/// A guess from the letters alone, for reports: Korean where at least 20 % of the characters (white space apart) are
/// Hangul; English where at least 97 % of the rest are ASCII (so Indonesian counts as English, French does not);
/// anything else is other.
enum class Language : uint8_t { korean = 0, english = 1, other = 2 };
inline constexpr int kLanguages = 3;
std::string_view language_code(Language language);  // "ko", "en", "other"
Language guess_language(std::string_view utf8);

/// Hangul characters among all characters that are no white space; 0 for an empty text.
double hangul_share(std::string_view utf8);
/// Characters (code points) of UTF-8 text.
int64_t count_characters(std::string_view utf8);

/// Layout made uniform: CR, CRLF and the Unicode line and paragraph separators become LF; control characters other than
/// tab and LF, and U+FEFF, go; white space at line ends goes; at most two empty lines stay together; empty lines at
/// both ends go. Expects UTF-8 in NFC and keeps it so.
std::string tidy(std::string_view utf8);

/// Keeps the lines of which at least `share` of the characters are Hangul, and empty lines.
std::string keep_hangul_lines(std::string_view utf8, double share);

/// Lines that came before in the same source.
class RepeatedLines {
 public:
  /// Lines shorter than `min_characters` are never dropped; 0 drops none at all.
  explicit RepeatedLines(int64_t min_characters, SeenStorage storage = {})
      : min_characters_(min_characters), seen_(std::move(storage)) {}
  /// Removes the repeated lines from `text` and returns their number.
  int64_t drop(std::string& text);

 private:
  int64_t min_characters_;
  SeenHashes<uint64_t> seen_;
};

}  // namespace nuri::data
