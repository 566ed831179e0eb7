// One row of a JSONL file to its text.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace nuri::data {

/// simdjson takes up to 14 times the bytes it parses. Rows above `row` bytes are therefore taken apart (long_row.h):
/// their strings above `string` bytes are parsed apart, in parts of about `part` bytes, and of the rest at most `rest`
/// bytes.
struct LongRowLimits {
  size_t row = size_t(1) << 20, string = 1024, part = size_t(1) << 18, rest = size_t(8) << 20;
};

/// Reads one string field of JSON objects. Reusable, one per thread. Memory: a few MiB and the text of the row, and 14
/// bytes for each one of the row that is no long string.
class RowParser {
 public:
  explicit RowParser(LongRowLimits limits = {});
  ~RowParser();
  RowParser(const RowParser&) = delete;
  RowParser& operator=(const RowParser&) = delete;
  /// Sets `text` and returns an empty string, or returns what is wrong with the row: no valid JSON or UTF-8, no object,
  /// the field absent or no string. The whole row is checked, not only up to the field. Errors: std::bad_alloc.
  std::string parse(std::string_view row, std::string_view field, std::string& text);

 private:
  std::string parse_long(std::string_view row, std::string_view field, std::string& text);
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace nuri::data
