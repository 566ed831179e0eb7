// The model's part of the selftest: hashes of a small DeepSeek-V3 model's weights after 20 steps, of its prefill logits
// and of greedy ids, FP32 and BF16, both forms of MLA.
#pragma once

#include <string_view>
#include <vector>

#include "backend/selftest.h"

namespace nuri {

/// Entries "model/..." whose name begins with prefix; about a second in all.
std::vector<SelftestLine> model_bits(std::string_view prefix = "");

}  // namespace nuri
