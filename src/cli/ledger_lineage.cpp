// nuri ledger lineage: from a model back to what it was made of.
#include <fmt/format.h>

#include <set>

#include "cli/ledger.h"
#include "ledger/provenance.h"
#include "train/metrics.h"

namespace nuri {
namespace {

/// The seed's line of a recipe, "seed = 0   # ...".
std::string seed_of(const std::string& recipe) {
  const size_t at = recipe.starts_with("seed = ") ? 0 : recipe.find("\nseed = ");
  if (at == std::string::npos) return "";
  const size_t value = recipe.find("= ", at) + 2;
  return recipe.substr(value, recipe.find_first_of(" \n", value) - value);
}

/// The newest run of a kind for which `is` holds.
template <class Is>
const LedgerRun* newest(const std::vector<LedgerRun>& all, const char* kind, const Is& is) {
  const LedgerRun* found = nullptr;
  for (const LedgerRun& run : all)
    if (run.record.kind == kind && run.record.outcome == "finished" && is(run.record)) found = &run;
  return found;
}

std::string places_text(const RunRecord& r, const char* indent) {
  std::string out;
  for (const std::string& place : r.places) out += fmt::format("{}{}\n", indent, place);
  return out;
}

/// The runs that made the shards and their tokenizer, with the texts that they read.
std::string made_from(const RunRecord& r, const std::vector<LedgerRun>& all) {
  std::string out;
  const auto line = [&](const LedgerRun& run, const char* made) {
    out += fmt::format("  {} by {} {}, {}: {}\n", made, run.record.kind, run.record.id.substr(0, 8), run.record.started,
                       run.directory);
    out += places_text(run.record, "    ");
  };
  const LedgerRun* data = newest(all, "data", [&](const RunRecord& d) { return d.data_manifest == r.data_manifest; });
  if (!data || data->record.id == r.id) return out;
  line(*data, "shards made");
  const auto hash = data->record.hashes.find(kTokenizerHash);
  const LedgerRun* tokenizer = newest(all, "tokenizer", [&](const RunRecord& t) {
    return hash != data->record.hashes.end() && t.hashes.contains(kTokenizerHash) &&
           t.hashes.at(kTokenizerHash) == hash->second;
  });
  if (tokenizer) line(*tokenizer, "tokenizer made");
  return out;
}

}  // namespace

std::string lineage_text(const LedgerRun& run, const std::vector<LedgerRun>& all, double price) {
  std::string out;
  const LedgerRun* at = &run;
  std::set<std::string> seen;
  while (at && seen.insert(at->record.id).second) {
    const RunRecord& r = at->record;
    out += fmt::format("{} {} ({}), {}: {}\n", r.kind.empty() ? "run" : r.kind, r.id.substr(0, 8), r.outcome, r.started,
                       at->directory);
    out += fmt::format("  program {}, profile {}{}\n", r.commit, r.profile,
                       r.recipe.empty() ? "" : ", recipe SHA-256 " + sha256(r.recipe).substr(0, 16));
    out += places_text(r, "  ");
    if (!r.data_manifest.empty()) out += fmt::format("  data {}\n", r.data_manifest);
    if (const std::string seed = seed_of(r.recipe); !seed.empty()) out += fmt::format("  seed {}\n", seed);
    if (r.hashes.contains("initial_weights"))
      out += fmt::format("  began as weights {}\n", r.hashes.at("initial_weights"));
    if (r.hashes.contains("weights"))
      out +=
          fmt::format("  ended as weights {} after {} steps, {} tokens\n", r.hashes.at("weights"), r.steps, r.tokens);
    if (!r.earlier_machines.empty())
      out += fmt::format("  on {} machines, last {}\n", r.earlier_machines.size() + 1, machine_text(r.machine));
    out += made_from(r, all);
    // The planned beside the actual.
    if (r.seconds_planned > 0)
      out +=
          fmt::format("  time planned {}, taken {}{}\n", duration_text(r.seconds_planned), duration_text(r.seconds),
                      r.outcome == "finished" ? fmt::format(" ({:+.1f} %)", 100 * (r.seconds / r.seconds_planned - 1))
                                              : ", not to its end");
    if (r.energy_wh_planned > 0)
      out += fmt::format("  energy planned {:.4g} Wh, {} {:.4g} Wh\n", r.energy_wh_planned,
                         at->energy_measured ? "measured" : "by its time", at->energy_wh);
    if (r.usd_planned > 0)
      out += fmt::format("  money planned {:.4f} USD, at the ledger's price {:.4f}\n", r.usd_planned,
                         at->device_seconds / 3600 * price);
    if (r.tokens_planned > 0) out += fmt::format("  tokens planned {}, seen {}\n", r.tokens_planned, r.tokens);
    if (r.memory_planned_bytes > 0)
      out += fmt::format("  memory planned {:.1f} MB, taken {:.1f} MB\n",
                         1e-6 * static_cast<double>(r.memory_planned_bytes),
                         1e-6 * static_cast<double>(r.memory_anonymous_bytes));
    if (r.parent_model.empty()) break;
    out += fmt::format("from {}\n", r.parent_model);
    const LedgerRun* next = nullptr;
    for (const LedgerRun& other : all)
      if (!r.parent.empty() && other.record.id == r.parent) next = &other;
    if (!next)
      out += r.parent.empty() ? "  (a model without a run.json: from elsewhere)\n"
                              : fmt::format("  (run {} is not in this ledger: `nuri ledger import {}`)\n",
                                            r.parent.substr(0, 8), r.parent_model);
    at = next;
  }
  return out;
}

}  // namespace nuri
