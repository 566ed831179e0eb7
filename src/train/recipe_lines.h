// The part of TOML that a recipe may be.
#pragma once

#include <string>
#include <string_view>

namespace nuri {

/// What other programs, the TOML library among them, take for line breaks outside of strings, and how a string writes
/// it.
struct OddBreak {
  std::string_view text, escaped;
};
/// The one at the beginning of `rest`, null where there is none. "\r\n" is a plain line break.
const OddBreak* odd_break(std::string_view rest);

/// A recipe is lines of key = value. All else is refused before the library sees it: some malformed headers, values and
/// letters outside of strings end the program there. Error: the line of `where` and what was found.
void expect_flat(std::string_view text, const std::string& where);

}  // namespace nuri
