// Token ids as text: decimal numbers separated by blanks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nuri {

/// "1 22 333"; nothing for no ids.
std::string ids_to_text(std::span<const int32_t> ids);

/// Reads numbers separated by blanks, line ends or commas; brackets around them are allowed. Errors: anything else,
/// with its line; a number outside [0, end). `where` names the file.
std::vector<int32_t> ids_from_text(std::string_view text, int32_t end, std::string_view where);

}  // namespace nuri
