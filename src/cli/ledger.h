// What the ledger shows: tables, sums, lineage. Shared by text, JSON, CSV and the page.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "ledger/ledger.h"

namespace nuri {

/// The threshold of the Korean AI Basic Act for cumulative training compute (Decree 24).
inline constexpr double kActFlops = 1e26;

struct LedgerSums {
  std::string name;
  int64_t runs = 0, tokens = 0;
  double training_flops = 0;  ///< of runs that change weights; evaluation and generation are in flops alone
  /// The other method of the Act's guidance: time x peak, all of it used, of the `bounded` training runs that know one.
  double training_flops_bound = 0;
  int64_t bounded = 0, training_runs = 0;
  double flops = 0, hours = 0, device_hours = 0, energy_wh = 0, usd = 0, won = 0;
};

/// Sums by "project", "kind", "outcome" or "family", largest FLOPs first; "" gives one row of all.
std::vector<LedgerSums> ledger_sums(const std::vector<LedgerRun>& runs, const std::string& by, Ledger& ledger);
OrderedJson ledger_json(const std::vector<LedgerRun>& runs, Ledger& ledger);
std::string ledger_csv(const std::vector<LedgerRun>& runs, Ledger& ledger);
std::string ledger_page(const std::vector<LedgerRun>& runs, Ledger& ledger);
/// One line for each run.
std::string ledger_table(const std::vector<LedgerRun>& runs, Ledger& ledger);
/// From a run back to the data and the seed it came from, one step for each line.
/// price: US dollars a thread and hour.
std::string lineage_text(const LedgerRun& run, const std::vector<LedgerRun>& all, double price);

}  // namespace nuri
