// Records for tests.
#pragma once

#include "ledger/run_record.h"

namespace nuri::test {

inline RunRecord example() {
  RunRecord record;
  record.command = {"nuri", "train", "r.toml"};
  record.recipe = "steps = 3\n";
  record.profile = "x1";
  record.machine = this_machine("avx2");
  record.flops = 1.5e18;
  record.tokens = int64_t(1) << 50;
  record.results["loss"] = 2.25;
  record.hashes["weights"] = "00ff";
  return record;
}

inline RunRecord run_named(const std::string& id, const std::string& outcome) {
  RunRecord r = example();
  r.id = id;
  r.kind = "train";
  r.project = "p";
  r.host = "elsewhere";
  r.started = "2026-03-01T00:00:00Z";
  r.outcome = outcome;
  r.seconds = 100;
  r.machine.threads = 4;
  return r;
}

}  // namespace nuri::test
