// Reading and writing the rope keys of config.json, which have three spellings in the field.
#pragma once

#include <cstdint>

#include "arch/config.h"
#include "base/json.h"

namespace nuri {

/// Reads `rope_theta` + `rope_scaling` (with `type` or `rope_type`), or the merged `rope_parameters`, and
/// `rope_interleave`. max_seq_len stands in for a missing original_max_position_embeddings. Kinds: default, yarn.
/// Errors: another kind, values out of range, both spellings present and different.
RopeConfig parse_rope(const JsonObject& config, int64_t max_seq_len);

/// Adds the keys in the released spelling: rope_theta, rope_scaling, and rope_interleave where it is false.
void write_rope(const RopeConfig& rope, OrderedJson& config);

}  // namespace nuri
