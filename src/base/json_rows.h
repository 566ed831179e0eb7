// Rows of a JSONL text.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace nuri {

/// f(row, "FILE: line N") for each row that is not blank, in order.
template <class F>
void for_each_json_row(std::string_view text, const std::string& file, F f) {
  size_t line = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view row = text.substr(begin, end - begin);
    ++line;
    begin = end + 1;
    if (row.find_first_not_of(" \t\r") != std::string_view::npos) f(row, fmt::format("{}: line {}", file, line));
  }
}

}  // namespace nuri
