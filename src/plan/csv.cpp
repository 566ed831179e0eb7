#include "plan/csv.h"

#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/nearest.h"

namespace nuri::plan {
namespace {

constexpr size_t kMaxRows = 1 << 20;

/// Splits text into rows of cells; `line` counts the lines begun.
struct Splitter {
  std::string_view text;
  const std::string& file;
  size_t at = 0;
  int64_t line = 1;

  std::string quoted() {
    std::string cell;
    const int64_t began = line;
    for (++at;; ++at) {
      NURI_CHECK(at < text.size(), "{}:{}: a quote is not closed; close it with \"", file, began);
      if (text[at] == '"') {
        if (at + 1 >= text.size() || text[at + 1] != '"') break;
        ++at;
      }
      line += text[at] == '\n';
      cell += text[at];
    }
    ++at;
    NURI_CHECK(at == text.size() || text[at] == ',' || text[at] == '\n' || text[at] == '\r',
               "{}:{}: text behind a closing quote; a comma or the end of the line is needed", file, line);
    return cell;
  }

  std::vector<std::string> row() {
    std::vector<std::string> cells;
    for (;;) {
      if (at < text.size() && text[at] == '"') {
        cells.push_back(quoted());
      } else {
        const size_t end = std::min(text.find_first_of(",\n", at), text.size());
        std::string_view cell = text.substr(at, end - at);
        if (end < text.size() && text[end] == '\n' && cell.ends_with('\r')) cell.remove_suffix(1);
        cells.emplace_back(cell);
        at = end;
      }
      if (at < text.size() && text[at] == '\r') ++at;
      if (at >= text.size()) break;
      if (text[at++] == ',') continue;
      ++line;
      break;
    }
    return cells;
  }
};

}  // namespace

CsvTable::CsvTable(std::string_view text, std::string file) : file_(std::move(file)) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  NURI_CHECK(!text.empty(), "{}: an empty file; a header line with the names of the columns is needed", file_);
  Splitter splitter{text, file_};
  const std::vector<std::string> header = splitter.row();
  for (size_t i = 0; i < header.size(); ++i)
    NURI_CHECK(columns_.emplace(header[i], i).second, "{}:1: column \"{}\" stands twice", file_,
               header[i].substr(0, 60));
  while (splitter.at < text.size()) {
    const int64_t line = splitter.line;
    std::vector<std::string> cells = splitter.row();
    if (cells.size() == 1 && cells[0].empty()) continue;
    NURI_CHECK(cells.size() == header.size(), "{}:{}: {} cells; the header names {}", file_, line, cells.size(),
               header.size());
    NURI_CHECK(rows_.size() < kMaxRows, "{}: more than {} rows", file_, kMaxRows);
    rows_.push_back(std::move(cells));
    lines_.push_back(line);
  }
}

const std::string& CsvTable::cell(size_t row, std::string_view column) const {
  const auto found = columns_.find(std::string(column));
  if (found != columns_.end()) return rows_.at(row)[found->second];
  std::vector<std::string_view> names;
  for (const auto& [name, index] : columns_) names.push_back(name);
  fail("{}: no column \"{}\"{}; add it to the header", file_, column, did_you_mean(column, names));
}

double CsvTable::number(size_t row, std::string_view column) const {
  const std::string& text = cell(row, column);
  if (text.empty()) return NAN;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  NURI_CHECK(error == std::errc() && end == text.data() + text.size() && std::isfinite(value),
             "{}: {}: found \"{}\"; a number or nothing is needed", where(row), column, text.substr(0, 60));
  return value;
}

std::string CsvTable::where(size_t row) const { return fmt::format("{}:{}", file_, lines_.at(row)); }

}  // namespace nuri::plan
