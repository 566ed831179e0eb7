// Helpers of this folder's tests: Zstandard files and the shared texts. Not part of the product.
#pragma once

#include <zstd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace nuri::test {

/// A whole file, unpacked when its name ends in .zst.
inline std::string read_maybe_zst(const fs::path& path) {
  const std::string packed = read_file(path);
  if (path.extension() != ".zst") return packed;
  const unsigned long long size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  NURI_CHECK(size < (1ull << 32), "{}: no size in the frame", path.string());
  std::string out(size, '\0');
  const size_t got = ZSTD_decompress(out.data(), out.size(), packed.data(), packed.size());
  NURI_CHECK(!ZSTD_isError(got) && got == size, "{}: {}", path.string(), ZSTD_getErrorName(got));
  return out;
}

/// Rows of a .jsonl file, packed or not.
inline std::vector<nlohmann::json> read_jsonl(const fs::path& path) {
  const std::string text = read_maybe_zst(path);
  std::vector<nlohmann::json> rows;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (end > at)
      rows.push_back(
          nlohmann::json::parse(text.begin() + static_cast<ptrdiff_t>(at), text.begin() + static_cast<ptrdiff_t>(end)));
    at = end + 1;
  }
  return rows;
}

/// The "text" fields of text/NAME of the shared data; at most `max_bytes` of them.
inline std::vector<std::string> shared_documents(const fs::path& shared, const std::string& name,
                                                 size_t max_bytes = SIZE_MAX) {
  std::vector<std::string> documents;
  size_t bytes = 0;
  for (const auto& row : read_jsonl(shared / "data/text" / name)) {
    documents.push_back(row.at("text"));
    bytes += documents.back().size();
    if (bytes >= max_bytes) break;
  }
  return documents;
}

/// A small tokenizer.json: the 256 bytes in the order of their symbols (ids 0..), the results of `merges` (spelled, "a
/// b"), then what `edit` changes.
template <class Edit>
nlohmann::json small_tokenizer(const std::vector<std::string>& merges, Edit&& edit) {
  nlohmann::json vocab = nlohmann::json::object();
  for (char32_t symbol = 0x21; symbol < 0x144; ++symbol) {
    if (symbol_byte(symbol) < 0) continue;
    std::string spelled;
    append_utf8(symbol, spelled);
    vocab[spelled] = vocab.size();
  }
  for (const std::string& merge : merges) {
    std::string result = merge;
    result.erase(result.find(' '), 1);
    if (!vocab.contains(result)) vocab[result] = vocab.size();
  }
  nlohmann::json root = {{"version", "1.0"},
                         {"added_tokens", nlohmann::json::array()},
                         {"normalizer", nullptr},
                         {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
                         {"decoder", {{"type", "ByteLevel"}}},
                         {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}}};
  edit(root);
  return root;
}

inline Tokenizer shared_tokenizer(const fs::path& shared, const std::string& name) {
  const fs::path dir = shared / "data/tokenizers" / name;
  const fs::path config = dir / "tokenizer_config.json";
  return Tokenizer::from_json(read_maybe_zst(dir / "tokenizer.json.zst"),
                              fs::exists(config) ? read_file(config) : std::string(), name);
}

}  // namespace nuri::test
