// The memory of a run, by owner, computed before the first step by running steps and a validation without data
// (MetaScope).
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
  std::array<int64_t, static_cast<size_t>(Owner::count)> bytes{};  ///< largest of each owner
  int64_t kept = 0;     ///< free blocks kept for reuse: what is taken from the system beyond the largest sum in use
  int64_t stacks = 0;   ///< of the threads, kStackBytes each
  int64_t program = 0;  ///< heap of the program: what it holds when the plan is made, and kBufferBytes
  int64_t total = 0;    ///< anonymous memory of the run: tensors and scratch, stacks, program
  Recompute recompute = Recompute::none;  ///< that it was made for
  bool saves_copies = false;              ///< checkpoints are copied and written beside the run
  int64_t mapped = 0;  ///< program, libraries and data in mapped files; not in total, the system takes them back

  int64_t tensors() const { return total - stacks - program; }
};
/// What a thread touches of its stack, at most.
inline constexpr int64_t kStackBytes = 256 << 10;
/// Buffers of files, the log and the report at the end.
inline constexpr int64_t kBufferBytes = 24 << 20;

/// What is resident now, without the tensors: what the program and its libraries hold.
Resident program_resident();

/// What a step learns from: rows with all losses, or answers by a policy gradient (the main head alone; no samples).
enum class StepKind : uint8_t { rows, policy };
/// `program` is read once where several plans are compared: it differs from one moment to the next.
/// REQUIRES: batch_bytes(recipe) are there.
MemoryPlan plan_memory(const DeepseekV3Config& config, const Recipe& recipe,
                       const Resident& program = program_resident(), StepKind kind = StepKind::rows);
/// Ids of the rows of one step and their documents: what the plan itself takes.
int64_t batch_bytes(const Recipe& recipe);

/// A table of the plan, one line per owner.
std::string plan_text(const MemoryPlan& plan);

/// "16G", "512M", "1.5GiB", "800000000" in bytes (powers of 1024). Errors: anything else.
int64_t parse_bytes(const std::string& text);
std::string bytes_text(int64_t bytes);  ///< "1.53 GiB"

/// The plan of a run that needs at most `limit`. Where the recipe leaves it to the plan (auto): copies of the state for
/// saving if they fit, and the least recomputation that fits, the copies giving way first. Error: the run needs more,
/// with what would fit: fewer rows at once, if that helps, and how many.
MemoryPlan require_memory(int64_t limit, const DeepseekV3Config& config, const Recipe& recipe,
                          const Resident& program = program_resident(), StepKind kind = StepKind::rows);

}  // namespace nuri
