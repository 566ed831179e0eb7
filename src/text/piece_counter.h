// Counts the pieces of documents on all threads, in limited memory.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "text/bpe_train.h"
#include "text/piece_runs.h"
#include "text/pre_split.h"
#include "text/tokenizer_train.h"

namespace nuri {

class PieceCounter {
 public:
  PieceCounter(PreSplitter splitter, const TokenizerTrainOptions& options);
  /// Counts the pieces of all documents and empties the batch. Sums do not depend on who counted what.
  void add(std::vector<std::string>& batch);
  /// The pieces to learn from. Sets what was counted in the report. Of more pieces than options.memory_bytes hold while
  /// they are merged, those of more than 64 KiB go first, then the rarest.
  ForEachPiece finish(TokenizerTrainReport& report);

 private:
  struct Slot {
    PieceCounts counts;
    RegexScratch regex;
    std::string normalised;
    int64_t documents = 0, invalid = 0, bytes = 0;
  };
  void count(const std::string& document, Slot& slot);
  void spill(Slot& slot);
  ForEachPiece all_pieces();

  PreSplitter splitter_;
  bool nfc_;
  uint64_t memory_bytes_, slot_bytes_;
  std::vector<std::unique_ptr<Slot>> slots_;  // by thread
  std::mutex runs_mutex_;
  std::shared_ptr<PieceRuns> runs_;
};

}  // namespace nuri
