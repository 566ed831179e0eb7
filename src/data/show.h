// What a training step saw, in words.
#pragma once

#include <string>

#include "data/loader.h"
#include "text/tokenizer.h"

namespace nuri::data {

/// One line per piece of a document in the rows [first, first + n_rows): row, columns, source, file:line, language, how
/// far into the document the piece begins, and the beginning of its text (at most `text_characters`, on one line).
std::string show_rows(const Dataset& dataset, const Loader& loader, const Tokenizer& tokenizer, uint64_t first,
                      int64_t n_rows, int64_t text_characters = 80);

/// The same as a JSON array of {row, begin, end, source, file, line, language, offset, text}.
std::string show_rows_json(const Dataset& dataset, const Loader& loader, const Tokenizer& tokenizer, uint64_t first,
                           int64_t n_rows);

}  // namespace nuri::data
