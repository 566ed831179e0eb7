// Where the rows of a run come from: shards of text, or chats. A run on rows knows no more of its data than this.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/chats.h"
#include "train/recipe.h"
#include "train/run_data.h"

namespace nuri {

class TrainSource : public RunData {
 public:
  using RunData::RunData;

  /// Rows [first, first + n_rows) of an endless sequence that the recipe's seed and length decide.
  virtual data::Batch rows(uint64_t first, int64_t n_rows) = 0;
  virtual uint64_t rows_within(double epochs) = 0;
  /// At most max_rows of the held-out rows, spread evenly; 0: all. The source outlives them.
  virtual std::unique_ptr<data::HeldOut> held_out(uint64_t max_rows) const = 0;
  /// Up to n questions of held-out chats, to sample answers to; none of shards.
  virtual std::vector<std::string> questions(size_t n) const;
  /// Ids that a sample goes on from.
  virtual std::vector<int32_t> prompt(const std::string& text) const = 0;
  /// What was read, for a person; lines, or nothing.
  virtual std::string text() const { return {}; }
};

/// A directory made by `nuri data build`. Errors: those of data::Dataset and data::Loader, keys of chats in the recipe.
std::unique_ptr<TrainSource> open_shards(const std::filesystem::path& directory, const ResolvedRecipe& recipe);

/// Chat files, rendered with a tokenizer's template. Errors: those of data::read_chats and ChatTemplate, keys of shards
/// in the recipe.
std::unique_ptr<TrainSource> open_chats(const data::ChatFiles& files, const std::filesystem::path& tokenizer_dir,
                                        const ResolvedRecipe& recipe,
                                        const std::function<void(uint64_t done, uint64_t all)>& progress = {});

}  // namespace nuri
