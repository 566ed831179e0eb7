// Checkpoints of a run: written while the steps wait, or beside them from a copy of the state. At most one is under
// way; older ones go, and its model is shown in the run's directory, only once it is whole. A wait is a stall where
// steps are still to come; the last checkpoint of a process keeps none waiting and its time is told apart.
#pragma once

#include <filesystem>
#include <optional>

#include "train/background_save.h"
#include "train/chain.h"
#include "train/metrics.h"
#include "train/state.h"

namespace nuri {

/// beside: from a copy, while steps go on; waiting: steps stand still; last: no step of this process comes after it.
enum class SaveKind : uint8_t { beside, waiting, last };

class Saver {
 public:
  struct Run {
    DeepseekV3& model;
    Optimizer& optimizer;
    const ResolvedRecipe& recipe;
    std::filesystem::path out;  ///< its checkpoints go to out/checkpoints
    std::filesystem::path tokenizer_dir;
    LogWriter& log;
    Chain& chain;
    std::vector<NamedTensor> kept = {};  ///< beside the trainer's tensors (take_snapshot)
  };
  explicit Saver(Run run) : run_(std::move(run)) {}

  /// Saves the state after a step; one that is under way is waited for first. Errors: a weight that is NaN or Inf, the
  /// disk; in the background the latter come out of finish().
  void save(const TrainState& state, SaveKind kind);
  /// Whether a checkpoint in the background is still being written, and whether it only waits for finish().
  bool writing() const { return writer_.started() && !writer_.ended(); }
  bool ended() const { return writer_.ended(); }
  /// Waits for the checkpoint under way; nothing where there is none.
  void finish() { finish(SaveKind::waiting); }
  /// finish() after another error, which is the one to tell: an error of the checkpoint goes to standard error.
  void settle();

  int64_t saves() const { return saves_; }
  double longest_stall() const { return longest_stall_; }  ///< seconds that steps stood still for one
  double end_seconds() const { return end_seconds_; }      ///< of the last one

 private:
  std::filesystem::path checkpoints() const { return run_.out / "checkpoints"; }
  /// next: what the wait is for, more steps or the last checkpoint.
  void finish(SaveKind next);
  Run run_;
  std::optional<Snapshot> snapshot_;  ///< of the checkpoint under way; outlives the writer
  std::filesystem::path saved_;
  std::map<std::string, std::string> facts_;  ///< of the checkpoint saved, for the chain
  SaveRow row_;
  int64_t saves_ = 0;
  double longest_stall_ = 0, end_seconds_ = 0;
  BackgroundSave writer_;
};

/// Makes `out` the model directory of a checkpoint, and out/ema that of its average where there is one.
void publish_run(const std::filesystem::path& checkpoint, const std::filesystem::path& out);

}  // namespace nuri
