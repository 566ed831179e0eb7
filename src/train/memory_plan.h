// The memory of a run, by owner, computed before the first step by running one step without data (MetaScope).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/machine.h"
#include "models/deepseek_v3.h"
#include "train/recipe.h"

namespace nuri {

struct MemoryPlan {
  std::array<int64_t, static_cast<size_t>(Owner::count)> bytes{};  ///< largest of each owner during a step
  int64_t total = 0;  ///< largest sum of all at one time, with kProcessBytes
};
/// What the program itself takes: code, libraries, tokenizer, buffers of files.
inline constexpr int64_t kProcessBytes = 64 << 20;

MemoryPlan plan_memory(const DeepseekV3Config& config, const Recipe& recipe);

/// A table of the plan, one line per owner.
std::string plan_text(const MemoryPlan& plan);

/// "16G", "512M", "1.5GiB", "800000000" in bytes (powers of 1024). Errors: anything else.
int64_t parse_bytes(const std::string& text);
std::string bytes_text(int64_t bytes);  ///< "1.53 GiB"

/// The plan of a run that needs at most `limit`. Error: it needs more, with what would fit: fewer rows at once, if that
/// helps, and how many.
MemoryPlan require_memory(int64_t limit, const DeepseekV3Config& config, const Recipe& recipe);

}  // namespace nuri
