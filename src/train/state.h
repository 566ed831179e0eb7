// What a checkpoint holds beside the model: trainer/optimizer.safetensors (moments or momentum, the average of the
// weights, and FP32 masters in a BF16 run) and trainer/state.json (step, profile, recipe, best validation). The data
// cursor is the number of rows seen.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/safetensors.h"
#include "models/deepseek_v3.h"
#include "optim/optimizer.h"
#include "train/recipe.h"

namespace nuri {

struct TrainState {
  int64_t step = 0;
  int64_t tokens = 0;
  int64_t rows = -1;          ///< seen: the loader's cursor; -1 where an older checkpoint does not say
  std::string profile;        ///< of the arithmetic that made the bits
  std::string data_manifest;  ///< hash of the data's manifest
  double best_bits = 0;  ///< lowest validation so far: bits per byte, of reinforcement learning the share not solved
  int64_t best_step = 0;
  int64_t evals_since_best = 0;  ///< validations
  bool finished = false;
};

/// Where a checkpoint, and a run, keep the average of the weights as a model directory.
inline constexpr const char* kEmaDirectory = "ema";

/// Bytes a checkpoint takes on disk, without tensors kept beside.
uint64_t checkpoint_bytes(DeepseekV3& model, Optimizer& optimizer);

/// All that a checkpoint holds.
struct Snapshot {
  TrainState state;
  std::string config, recipe;           ///< texts of config.json and recipe.toml
  std::filesystem::path tokenizer_dir;  ///< whose files a model directory repeats
  std::vector<NamedTensor> model;       ///< what the forward reads, and router biases
  std::vector<NamedTensor> average;     ///< the same of the average of the weights; empty where none is kept
  std::vector<NamedTensor> trainer;     ///< masters and what the optimizer keeps
  uint64_t bytes() const;               ///< of the tensors
};

/// kept: what the run has beside the trainer's, for its checkpoints.
/// live: the run's own tensors (the average is copied, as it takes the model's place only for a moment); copies:
/// nothing that a later step changes.
enum class SnapshotOf : uint8_t { live, copies };
/// Error: a weight or moment that is NaN or Inf.
Snapshot take_snapshot(DeepseekV3& model, Optimizer& optimizer, const TrainState& state, const ResolvedRecipe& recipe,
                       const std::filesystem::path& tokenizer_dir, SnapshotOf of,
                       const std::vector<NamedTensor>& kept = {});
/// Writes root/step-N, whole or not at all. Only the calling thread works.
std::filesystem::path write_snapshot(const std::filesystem::path& root, const Snapshot& snapshot);

/// Both at once, without copies.
std::filesystem::path save_checkpoint(const std::filesystem::path& root, DeepseekV3& model, Optimizer& optimizer,
                                      const TrainState& state, const ResolvedRecipe& recipe,
                                      const std::filesystem::path& tokenizer_dir);

/// trainer/state.json. Errors: not JSON, keys missing, of the wrong type or out of range.
TrainState read_state(const std::filesystem::path& checkpoint);
TrainState parse_state(std::string_view text, const std::string& where);
/// Weights, masters, router biases, moments and what was kept back to the bit. Errors: sizes or names that do not fit,
/// NaN and Inf.
void load_checkpoint(const std::filesystem::path& checkpoint, DeepseekV3& model, Optimizer& optimizer,
                     const std::vector<NamedTensor>& kept = {});

}  // namespace nuri
