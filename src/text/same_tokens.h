// Which tokens of two vocabularies are the same.
#pragma once

#include <cstdint>
#include <vector>

#include "text/tokenizer.h"

namespace nuri {

/// For each id of `tokenizer` the id of the same token in `base`, or -1: of the same bytes, and an added token like it
/// or none like it. Empty where all ids are equal.
std::vector<int32_t> same_tokens(const Tokenizer& tokenizer, const Tokenizer& base);

}  // namespace nuri
