// Comma-separated values with a header line (RFC 4180: quotes where needed, doubled inside; LF or CRLF).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace nuri::plan {

class CsvTable {
 public:
  /// `file` is how errors name the text. Errors: no header, a name twice, a row of another number of cells, an unclosed
  /// quote, text behind a closing quote, more than 2^20 rows.
  CsvTable(std::string_view text, std::string file);

  size_t size() const { return rows_.size(); }
  bool has(std::string_view column) const { return columns_.count(std::string(column)) > 0; }
  /// The cell; error where there is no such column (the nearest is named).
  const std::string& cell(size_t row, std::string_view column) const;
  /// A number, or NaN where the cell is empty. Errors: anything else, with line and column.
  double number(size_t row, std::string_view column) const;
  /// "file:12"
  std::string where(size_t row) const;

 private:
  std::string file_;
  std::map<std::string, size_t> columns_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<int64_t> lines_;
};

}  // namespace nuri::plan
