#include "cli/prompts.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "base/json_rows.h"

namespace nuri {

std::vector<std::string> parse_prompts(std::string_view text, const std::string& file) {
  std::vector<std::string> prompts;
  for_each_json_row(text, file, [&](std::string_view row, const std::string& where) {
    const Json json = parse_json(row, where);
    prompts.push_back(JsonObject(json, where).text("prompt"));
  });
  NURI_CHECK(!prompts.empty(), "{}: no prompts; each line is a JSON object with a field prompt", file);
  return prompts;
}

}  // namespace nuri
