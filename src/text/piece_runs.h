// Counted pieces that do not fit in memory: sorted runs in scratch files, merged when they are read. Memory: one block
// of each run.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/scratch_file.h"
#include "text/piece_counts.h"

namespace nuri {

using PieceCallback = std::function<void(std::string_view piece, int64_t count)>;

class PieceRuns {
 public:
  /// Scratch files are made in `dir`.
  explicit PieceRuns(fs::path dir) : dir_(std::move(dir)) {}
  /// Writes all pieces of the table as a run. Errors: a full disk.
  void add(const PieceCounts& counts);
  /// Each piece once with the sum of its counts, in the order of its bytes. May be called again; the first call merges
  /// the runs into one.
  void for_each(const PieceCallback& f);
  bool empty() const { return runs_.empty(); }

 private:
  void merge_into_one();
  fs::path dir_;
  std::vector<ScratchFile> runs_;
};

}  // namespace nuri
