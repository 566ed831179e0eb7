// One row of a JSONL file to its text.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace nuri::data {

/// Reads one string field of JSON objects. Reusable, one per thread.
class RowParser {
 public:
  RowParser();
  ~RowParser();
  RowParser(const RowParser&) = delete;
  RowParser& operator=(const RowParser&) = delete;
  /// Sets `text` and returns an empty string, or returns what is wrong with the row: no valid JSON or UTF-8, no object,
  /// the field absent or no string. The whole row is checked, not only up to the field.
  std::string parse(std::string_view row, std::string_view field, std::string& text);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace nuri::data
