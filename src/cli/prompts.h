// The prompts of `nuri generate --file`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace nuri {

/// JSONL: the field `prompt` of each row that is not blank, in order. Errors, with line: not a JSON object, no prompt,
/// a prompt that is no string; no rows at all.
std::vector<std::string> parse_prompts(std::string_view text, const std::string& file);

}  // namespace nuri
