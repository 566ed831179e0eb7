// The ledger: every run of every verb that trains, tunes, evaluates or generates in bulk, in one SQLite file beside the
// run.json that each has. Several processes may write at once; what was committed survives a kill at any instant.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ledger/database.h"
#include "ledger/run_record.h"

namespace nuri {

/// A run as the ledger holds it.
struct LedgerRun {
  RunRecord record;
  std::string directory;
  double device_seconds = 0;  ///< wall time x threads, of all processes
  double energy_wh = 0;
  bool energy_measured = false;  ///< else device time x kWattsOfThread: predicted
};

/// What a thread of a CPU is taken to draw, with its share of memory and board, where no meter is read.
inline constexpr double kWattsOfThread = 8;

struct LedgerRate {
  std::string date;  ///< "2026-01-31"
  double won_per_usd = 1450;
};

class Ledger {
 public:
  /// Makes file and tables where they are missing. Errors: Database's; tables of a newer program or of another one.
  explicit Ledger(const std::filesystem::path& path, Database::Open open = Database::Open::write);

  /// Inserts the run of this process, or brings it up to date.
  void put(const RunRecord& record, const std::filesystem::path& directory);
  /// The same for a run found in a file, whose process is not known: what the ledger has stays where it is newer.
  void import(const RunRecord& record, const std::filesystem::path& directory);
  /// Ascending by start. A run of this host that says "running" has the outcome of its run.json where its process is
  /// gone, else "killed"; "unknown" where it was imported. `damaged`: rows that cannot be read, which are left out.
  std::vector<LedgerRun> runs(int64_t* damaged = nullptr);
  std::optional<LedgerRun> find(const std::string& id_or_directory);

  void set_rate(const LedgerRate& rate);
  /// Newest first.
  const std::vector<LedgerRate>& rates();
  /// Of the newest rate not after `date`; 1450 where there is none.
  double won_per_usd(const std::string& date);
  /// US dollars of an hour of one thread; 0 until set.
  double price();
  void set_price(double usd_per_thread_hour);
  std::string check() { return database_.check(); }

 private:
  void write(const RunRecord& record, const std::filesystem::path& directory, bool own);
  Database database_;
  std::optional<std::vector<LedgerRate>> rates_;
  std::optional<double> price_;
};

/// Where runs are noted: the file of --ledger, $NURI_LEDGER ("none": nowhere), else nuri/ledger.sqlite in
/// $XDG_DATA_HOME or ~/.local/share. Empty: nowhere.
std::filesystem::path default_ledger_path();
/// From now on runs of this process are noted there; empty: nowhere, as at the start.
void use_ledger(const std::filesystem::path& path);
/// put() into the ledger in use. Errors are one warning on standard error: no run ends for its ledger, nor waits for
/// one that is held more than once a minute.
void note_in_ledger(const RunRecord& record, const std::filesystem::path& directory);

}  // namespace nuri
