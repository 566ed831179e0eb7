// The hash chain of a run, chain.jsonl: from the seed over each checkpoint to the last model. As a run's bits are the
// same on every machine, anyone can compute it again.
//
//   row 0     seed, SHA-256 of config.json, recipe and the weights at the start, hash of the data; link = SHA-256 of
//   these each next step, SHA-256 of the checkpoint's tensors and state; link = SHA-256 of (link before, step, these)
//
// A run resumed from step n drops the rows after n: it makes them again, the same.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace nuri {

struct ChainRow {
  int64_t step = 0;
  std::map<std::string, std::string> facts;  ///< name -> value: of row 0 what was begun with, else file -> SHA-256
  std::string link;
};

inline constexpr const char* kChainFile = "chain.jsonl";
/// Of row 0 of a run that had no chain from its beginning (an older program began it, or its chain was damaged).
inline constexpr const char* kChainBroken = "begins_at_a_checkpoint";

/// What link must be, behind `before` ("" for the first).
std::string chain_link(const std::string& before, const ChainRow& row);
/// SHA-256 of each file of a checkpoint that decides what comes after: tensors, trainer/state.json.
std::map<std::string, std::string> checkpoint_facts(const std::filesystem::path& checkpoint);

/// Errors: not JSON, keys missing. A last line cut short by a kill is left out.
std::vector<ChainRow> read_chain(const std::filesystem::path& run);
std::vector<ChainRow> parse_chain(std::string_view text, const std::string& file);

class Chain {
 public:
  /// Of a new run: row 0 is written. Of a resumed one (step > 0): rows after `step` are dropped. A damaged file is
  /// moved aside (.damaged): no run ends for its chain.
  Chain(const std::filesystem::path& run, int64_t step, std::map<std::string, std::string> beginning);
  /// Adds the row of a checkpoint; every row is on the disk before this returns.
  void add(int64_t step, std::map<std::string, std::string> facts);
  const std::string& link() const { return rows_.back().link; }
  int64_t step() const { return rows_.back().step; }
  const std::vector<ChainRow>& rows() const { return rows_; }
  /// What was wrong with the file found; empty: nothing.
  const std::string& damage() const { return damage_; }

 private:
  void write();
  std::filesystem::path file_;
  std::vector<ChainRow> rows_;
  std::string damage_;
};

}  // namespace nuri
