// Writing of tokenizer.json and tokenizer_config.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe.h"
#include "text/pre_split.h"
#include "text/tokenizer_train.h"

namespace nuri {

/// Ids: the first three special tokens, `tokens`, placeholders, the other special tokens.
struct TokenizerLayout {
  static constexpr int32_t kFirstSpecial = 3;  // begin, end, pad
  bool nfc = true;
  SplitPattern pattern = SplitPattern::deepseek_v3;
  std::vector<SpecialToken> special;
  std::vector<std::string> tokens;  // raw bytes: the 256 single bytes, then the learned ones
  std::vector<Merge> merges;        // ids as above
  int32_t placeholders = 0;
  int32_t max_seq_len = 0;
};

/// The regular expressions of a pattern, in their order.
std::vector<std::string_view> split_patterns(SplitPattern pattern);
PreSplitter pre_splitter(SplitPattern pattern);

std::string write_tokenizer_json(const TokenizerLayout& layout);
std::string write_tokenizer_config(const TokenizerLayout& layout);

}  // namespace nuri
