// Training checkpoints: a Hugging Face model directory plus trainer/ (optimizer, cursor, random state), named
// step-000123 inside a root. A checkpoint is written aside as step-000123.partial, every file fsynced, and takes its
// name by one rename; a kill at any instant leaves the older ones and perhaps a .partial, which clean_leftovers
// removes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nuri {

/// "step-000123"
std::string checkpoint_name(int64_t step);

class CheckpointWriter {
 public:
  /// Makes <root>/step-N.partial with trainer/ inside (root too). A checkpoint of this step that is not whole gives
  /// way. Errors: a whole one is there already; no permission, no space.
  CheckpointWriter(const std::filesystem::path& root, int64_t step);
  ~CheckpointWriter();  ///< without commit, removes what was written
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  /// Where to write: model files here, the rest under trainer/.
  const std::filesystem::path& directory() const { return partial_; }
  /// A file beside the others, atomically; `relative` for instance "config.json", "trainer/state.json".
  void write(std::string_view relative, std::string_view bytes) const;
  /// A copy of a file from elsewhere (the tokenizer).
  void copy(const std::filesystem::path& from, std::string_view relative) const;

  /// Lists all files with their sizes in trainer/files.json, fsyncs files and directories, renames, fsyncs the root.
  /// Returns the final directory.
  std::filesystem::path commit();

 private:
  std::filesystem::path root_, partial_, final_;
  bool committed_ = false;
};

struct CheckpointInfo {
  int64_t step = 0;
  std::filesystem::path directory;
  bool operator==(const CheckpointInfo&) const = default;
};

/// Errors: not a checkpoint, or a file of its list missing or of another size.
void check_checkpoint(const std::filesystem::path& directory);

/// Everything under root named like a checkpoint, by ascending step, whole or not.
std::vector<CheckpointInfo> list_checkpoints(const std::filesystem::path& root);

/// The newest checkpoint that is whole; none where there is none. Reasons why newer ones were passed over are appended
/// to `skipped`.
std::optional<CheckpointInfo> latest_checkpoint(const std::filesystem::path& root,
                                                std::vector<std::string>* skipped = nullptr);

/// Which checkpoints stay: the newest `last` (at least 1), those whose step `every` divides (0: none), and `best`.
struct KeepPolicy {
  int64_t last = 2;
  int64_t every = 0;
  std::optional<int64_t> best = std::nullopt;
};

/// Removes the whole checkpoints that the policy does not keep (renamed to step-N.removed first, so that a kill leaves
/// no half checkpoint under a good name). Returns the steps removed, ascending.
std::vector<int64_t> prune_checkpoints(const std::filesystem::path& root, const KeepPolicy& policy);

/// Removes step-N.partial and step-N.removed directories of earlier processes. Call it with the run's lock held.
/// Returns their number.
int64_t clean_leftovers(const std::filesystem::path& root);

/// Makes `out` a model directory with the model files of a checkpoint (all but trainer/; linked where the file system
/// can, else copied). config.json leaves first and comes last: with it the model is whole, without it there is none.
void publish_model(const std::filesystem::path& checkpoint, const std::filesystem::path& out);

}  // namespace nuri
