// Training of a byte-level BPE tokenizer.
//
// Pieces of all documents (normalised, split by the pattern) are counted; then, until the vocabulary is full, the most
// frequent pair of neighbouring tokens becomes a token (ties: the smaller left id, then the smaller right id). A pair
// may be merged only if the result is a sequence of whole characters, or lies wholly inside one: no token reaches into
// part of a character. The result does not depend on the number of threads or on the order of the documents.
//
// Memory is limited, not the text: counts that are too many go to scratch files, and of the counted pieces the most
// frequent are kept that fit (a piece seen c times is kept with all that are seen c times, or left out with them).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace nuri {

/// Pre-split patterns by name.
enum class SplitPattern {
  deepseek_v3,  ///< digits in groups of up to three, CJK runs, words with one leading character (default)
  gpt2,         ///< English contractions, letters, numbers, the rest
};

/// 1.3 million different pieces of Korean and English fit: those of some 200 MB of text, and of more text the frequent
/// ones.
inline constexpr uint64_t kTrainMemoryBytes = uint64_t(320) << 20;

struct TokenizerTrainOptions {
  int32_t vocab_size = 32000;  ///< all ids: begin, end, pad, 256 bytes, learned tokens, the other special tokens
  bool nfc = true;             ///< write NFC as the normaliser of the file, and train on text normalised so
  SplitPattern pattern = SplitPattern::deepseek_v3;
  int64_t min_count = 2;   ///< pairs seen less often are not merged
  bool fill_vocab = true;  ///< where the text is too small, fill up with <｜place▁holder▁no▁N｜> tokens
  std::vector<std::string> extra_special_tokens;  ///< after the ones of the DeepSeek family
  uint64_t memory_bytes = kTrainMemoryBytes;      ///< for counts and merges, about; decides which rare pieces are kept
  fs::path scratch = fs::temp_directory_path();   ///< directory of scratch files, where memory is too small for counts
  int32_t max_seq_len = 16384;                    ///< model_max_length of tokenizer_config.json, in tokens
  /// Called from time to time with the work ("counting": documents so far, "merging": tokens so far).
  std::function<void(std::string_view work, int64_t done)> progress;
};

struct TokenizerTrainReport {
  int64_t documents = 0;
  int64_t bytes = 0;              ///< of the normalised text
  int64_t invalid_documents = 0;  ///< left out because they are not UTF-8
  int64_t pieces = 0;             ///< distinct pieces
  int64_t pieces_left_out = 0;    ///< of them, because memory_bytes are too few for all
  int64_t least_count = 1;        ///< of the pieces that were kept
  int32_t vocab_size = 0;
  int32_t learned = 0;       ///< merges
  int32_t placeholders = 0;  ///< ids filled up because no pair was frequent enough
  double count_seconds = 0, merge_seconds = 0;
};

/// Gives the next document and returns true, or returns false at the end. Called from one thread.
using DocumentSource = std::function<bool(std::string& document)>;

/// The two files of a tokenizer.
struct TrainedTokenizer {
  std::string tokenizer_json, tokenizer_config_json;
  TokenizerTrainReport report;
};

/// Errors: a vocabulary too small for bytes and special tokens, no text, less memory than 16 MiB.
TrainedTokenizer train_tokenizer(const DocumentSource& next, const TokenizerTrainOptions& options);

/// The same, written atomically to DIR/tokenizer.json and DIR/tokenizer_config.json (DIR is made, and gets the scratch
/// files in place of options.scratch).
TokenizerTrainReport train_tokenizer_to(const DocumentSource& next, TokenizerTrainOptions options, const fs::path& dir);

/// Special tokens of the DeepSeek family in the order of their ids: the first three have ids 0, 1, 2, the others the
/// last ids. `special` tokens are left out by decode(skip_special).
struct SpecialToken {
  std::string text;
  bool special;
};
std::vector<SpecialToken> deepseek_special_tokens();

}  // namespace nuri
