#include "cli/prompts.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"

namespace nuri {

std::vector<std::string> parse_prompts(std::string_view text, const std::string& file) {
  std::vector<std::string> prompts;
  size_t line = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view row = text.substr(begin, end - begin);
    ++line;
    begin = end + 1;
    if (row.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = fmt::format("{}: line {}", file, line);
    const Json json = parse_json(row, where);
    prompts.push_back(JsonObject(json, where).text("prompt"));
  }
  NURI_CHECK(!prompts.empty(), "{}: no prompts; each line is a JSON object with a field prompt", file);
  return prompts;
}

}  // namespace nuri
