// Bytes of text behind token ids: the unit of bits per byte.
#pragma once

#include <cstdint>
#include <vector>

#include "text/tokenizer.h"

namespace nuri::data {

/// Bytes of text that each id stands for: 0 for special tokens, so that the bytes of all tokens of a document add up to
/// its normalised text. [vocab_size]
std::vector<int32_t> bytes_per_token(const Tokenizer& tokenizer);

}  // namespace nuri::data
