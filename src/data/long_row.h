// A JSON row that is long because of its strings, taken apart so that a parser whose memory is a multiple of its input
// sees little at once. Nothing is checked here: whoever parses the parts checks them, and together they are valid where
// the row is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nuri::data {

struct LongRow {
  std::string skeleton;                    // the row with a mark in place of each long string
  std::vector<std::string_view> literals;  // what stood between the quotes
};

/// Strings of more than `long_bytes` (as written) are taken out; so is every string that could read as a mark. Stops,
/// with a skeleton of more than max_skeleton bytes, where the rest of the row is too long.
LongRow take_out_long_strings(std::string_view row, size_t long_bytes, size_t max_skeleton);

/// The number of the literal that a string of the skeleton is the mark of, or npos.
size_t marked_literal(std::string_view text);

/// Could a string of the row with these characters be a mark? Keys that are looked for must not.
bool holds_mark(std::string_view text);

/// The length of the first part of a literal, about part_bytes, such that the parts decode to what the whole decodes
/// to: not inside a character, an escape or a pair of surrogates.
size_t literal_part(std::string_view literal, size_t part_bytes);

}  // namespace nuri::data
