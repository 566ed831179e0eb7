// Checkpoints of a run: written while the steps wait, or beside them from a copy of the state. At most one is under
// way; older ones go, and its model is shown in the run's directory, only once it is whole.
#pragma once

#include <filesystem>
#include <optional>

#include "train/background_save.h"
#include "train/chain.h"
#include "train/metrics.h"
#include "train/state.h"

namespace nuri {

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
  void save(const TrainState& state, bool background);
  /// Whether a checkpoint in the background only waits for finish().
  bool ended() const { return writer_.ended(); }
  /// Waits for the checkpoint under way; nothing where there is none.
  void finish();
  /// finish() after another error, which is the one to tell: an error of the checkpoint goes to standard error.
  void settle();

  int64_t saves() const { return saves_; }
  double longest_stall() const { return longest_stall_; }  ///< seconds

 private:
  std::filesystem::path checkpoints() const { return run_.out / "checkpoints"; }
  Run run_;
  std::optional<Snapshot> snapshot_;  ///< of the checkpoint under way; outlives the writer
  std::filesystem::path saved_;
  std::map<std::string, std::string> facts_;  ///< of the checkpoint saved, for the chain
  SaveRow row_;
  int64_t saves_ = 0;
  double longest_stall_ = 0;
  BackgroundSave writer_;
};

/// Makes `out` the model directory of a checkpoint, and out/ema that of its average where there is one.
void publish_run(const std::filesystem::path& checkpoint, const std::filesystem::path& out);

}  // namespace nuri
