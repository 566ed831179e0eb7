#include "data/show.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace nuri::data {
namespace {

std::string text_of(const Batch& batch, const Piece& piece, const Tokenizer& tokenizer) {
  const size_t base = static_cast<size_t>(piece.row * (batch.length + 1));
  return tokenizer.decode(
      std::span(batch.tokens)
          .subspan(base + static_cast<size_t>(piece.begin), static_cast<size_t>(piece.end - piece.begin)));
}

/// At most n characters, line ends as blanks.
std::string shortened(const std::string& text, int64_t n) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool starts = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (starts && n-- == 0) return out + "…";
    out += text[i] == '\n' || text[i] == '\t' ? ' ' : text[i];
  }
  return out;
}

}  // namespace

std::string show_rows(const Dataset& dataset, const Loader& loader, const Tokenizer& tokenizer, uint64_t first,
                      int64_t n_rows, int64_t text_characters) {
  const Batch batch = loader.rows(first, n_rows);
  std::string out;
  for (const Piece& p : batch.pieces) {
    const std::string& source = dataset.manifest().sources[static_cast<size_t>(p.origin.source)].source.name;
    out += fmt::format("row {} [{}, {})  {}  {}:{}  {}  from token {} of {}: {}\n", p.row, p.begin, p.end, source,
                       p.origin.file, p.origin.line, language_code(p.origin.language), p.offset,
                       p.origin.end - p.origin.begin, shortened(text_of(batch, p, tokenizer), text_characters));
  }
  return out;
}

std::string show_rows_json(const Dataset& dataset, const Loader& loader, const Tokenizer& tokenizer, uint64_t first,
                           int64_t n_rows) {
  const Batch batch = loader.rows(first, n_rows);
  OrderedJson out = OrderedJson::array();
  for (const Piece& p : batch.pieces) {
    out.push_back({{"row", p.row},
                   {"begin", p.begin},
                   {"end", p.end},
                   {"source", dataset.manifest().sources[static_cast<size_t>(p.origin.source)].source.name},
                   {"file", std::string(p.origin.file)},
                   {"line", p.origin.line},
                   {"language", language_code(p.origin.language)},
                   {"offset", p.offset},
                   {"text", text_of(batch, p, tokenizer)}});
  }
  return json_text(out);
}

}  // namespace nuri::data
