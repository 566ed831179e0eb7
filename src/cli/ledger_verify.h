// nuri ledger verify: a run's chain computed again, and some of its steps made again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ledger/run_record.h"

namespace nuri {

struct VerifyOptions {
  std::filesystem::path run;
  int64_t replay = 0;  ///< steps to make again; 0: none
  /// Where shards, chats or problems of the run are now, files held out, and the tokenizer; empty: as its record says.
  std::vector<std::string> data, held_out;
  std::string tokenizer;
  std::optional<RunRecord> ledger;  ///< the run as the ledger has it
  uint64_t choice = 0;              ///< which checkpoint is replayed, modulo their number
};

/// Prints what was checked. Returns whether all of it holds. Errors: no chain, no checkpoint to replay, other data.
bool verify_run(const VerifyOptions& options);

}  // namespace nuri
