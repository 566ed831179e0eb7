#include "ledger/ledger.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>

#include "base/file.h"
#include "base/test_support.h"
#include "ledger/energy.h"
#include "ledger/ledger_test_support.h"
#include "ledger/provenance.h"
#include "ledger/run_record.h"

namespace nuri {
namespace {

using test::error_of;
using test::example;
using test::run_named;

TEST(Provenance, Sha256OfThePublishedExamples) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 pieces;
  for (int i = 0; i < 1000; ++i) pieces.add(std::string(1000, 'a'));
  EXPECT_EQ(pieces.hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  const test::TempDir dir;
  write_file_atomic(dir.path() / "f", "abc");
  EXPECT_EQ(sha256_file(dir.path() / "f"), sha256("abc"));
}

TEST(Provenance, CommitAndTimeHaveTheirForm) {
  EXPECT_FALSE(build_commit().empty());
  const std::string now = utc_now();
  EXPECT_EQ(now.size(), 20u);
  EXPECT_TRUE(now[10] == 'T' && now[19] == 'Z') << now;
}

TEST(Ledger, HoldsWhatWasPutAndBringsItUpToDate) {
  const test::TempDir dir;
  Ledger ledger(dir.path() / "deep" / "l.sqlite");
  ledger.put(run_named("aaaaaa1", "running"), dir.path() / "run");
  ledger.put(run_named("bbbbbb2", "failed"), dir.path() / "other");
  ledger.put(run_named("aaaaaa1", "finished"), dir.path() / "run");
  const std::vector<LedgerRun> runs = ledger.runs();
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].record, run_named("aaaaaa1", "finished"));
  EXPECT_EQ(runs[0].device_seconds, 400);
  EXPECT_NEAR(runs[0].energy_wh, 400.0 / 3600 * kWattsOfThread, 1e-12);
  EXPECT_EQ(ledger.find((dir.path() / "run").string())->record.id, "aaaaaa1");
  EXPECT_EQ(ledger.find("bbbbbb")->record.outcome, "failed");
  EXPECT_FALSE(ledger.find("nothing here"));
  EXPECT_EQ(ledger.check(), "ok");
  // A second program sees the same.
  EXPECT_EQ(Ledger(dir.path() / "deep" / "l.sqlite", Database::Open::read).runs().size(), 2u);
}

TEST(Ledger, ARunOfThisMachineWithoutItsProcessWasKilled) {
  const test::TempDir dir;
  Ledger ledger(dir.path() / "l.sqlite");
  RunRecord r = example();
  name_process(r);
  r.outcome = "running";
  ledger.put(r, dir.path());
  EXPECT_EQ(ledger.runs()[0].record.outcome, "running");  // this process lives
  Database(dir.path() / "l.sqlite", Database::Open::write).run("UPDATE runs SET pid_started = '1'");
  EXPECT_EQ(ledger.runs()[0].record.outcome, "killed");
}

TEST(Ledger, TheRunsOwnFileTellsHowItEnded) {
  const test::TempDir dir;
  Ledger ledger(dir.path() / "l.sqlite");
  RunRecord r = example();
  name_process(r);
  r.outcome = "running";
  ledger.put(r, dir.path());
  Database(dir.path() / "l.sqlite", Database::Open::write).run("UPDATE runs SET pid_started = '1'");
  r.outcome = "failed";  // the ledger could not be reached then
  write_file_atomic(dir.path() / "run.json", run_record_json(r));
  EXPECT_EQ(ledger.runs()[0].record.outcome, "failed");
}

TEST(Ledger, AProcessThatHasEndedIsNotRunningThoughNobodyWaitedForIt) {
  const test::TempDir dir;
  const auto file = dir.path() / "l.sqlite";
  RunRecord r = example();
  name_process(r);
  r.outcome = "running";
  const pid_t child = ::fork();
  if (child == 0) {
    Ledger(file).put(r, dir.path());
    ::_exit(0);
  }
  siginfo_t ended;
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);  // it stays a zombie
  EXPECT_EQ(Ledger(file).runs().at(0).record.outcome, "killed");
  ::waitpid(child, nullptr, 0);
}

TEST(Ledger, AnImportLeavesWhatIsNewer) {
  const test::TempDir dir;
  Ledger ledger(dir.path() / "l.sqlite");
  RunRecord r = example();
  name_process(r);
  r.outcome = "running";
  ledger.put(r, dir.path() / "run");
  ledger.import(r, dir.path() / "run");
  EXPECT_EQ(ledger.runs()[0].record.outcome, "running");  // its process is still known
  RunRecord later = r;
  later.seconds += 10;
  later.outcome = "finished";
  ledger.put(later, dir.path() / "run");
  ledger.import(r, dir.path() / "copy");  // of an hour ago
  EXPECT_EQ(ledger.runs()[0].record.outcome, "finished");
  EXPECT_FALSE(ledger.find((dir.path() / "copy").string()));
  r.id = "another";
  ledger.import(r, dir.path() / "moved");
  EXPECT_EQ(ledger.find((dir.path() / "moved").string())->record.outcome, "unknown");
}

TEST(Ledger, OneDamagedRowHidesNoOther) {
  const test::TempDir dir;
  Ledger ledger(dir.path() / "l.sqlite");
  ledger.put(run_named("aaaaaa1", "finished"), dir.path());
  ledger.put(run_named("bbbbbb1", "finished"), dir.path());
  Database(dir.path() / "l.sqlite", Database::Open::write).run("UPDATE runs SET record = '{' WHERE id = 'aaaaaa1'");
  int64_t damaged = 0;
  const auto runs = ledger.runs(&damaged);
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].record.id, "bbbbbb1");
  EXPECT_EQ(damaged, 1);
}

TEST(EnergyMeter, AddsPackagesAndFollowsCountersThatWrap) {
  const test::TempDir dir;
  EXPECT_FALSE(EnergyMeter(dir.path()).joules());           // no counter
  EXPECT_FALSE(EnergyMeter(dir.path() / "none").joules());  // not even the directory
  const auto set = [&](const std::string& zone, const std::string& microjoules) {
    std::filesystem::create_directories(dir.path() / zone);
    write_file_atomic(dir.path() / zone / "energy_uj", microjoules + "\n");
    write_file_atomic(dir.path() / zone / "max_energy_range_uj", "10000000\n");
  };
  set("intel-rapl:0", "9000000");
  set("intel-rapl:1", "1000000");
  set("intel-rapl:0:0", "5");  // a part of package 0
  EnergyMeter meter(dir.path());
  EXPECT_EQ(meter.joules(), 0);
  set("intel-rapl:0", "1000000");  // wrapped: 2 J
  set("intel-rapl:1", "1500000");
  set("intel-rapl:0:0", "9000000");
  EXPECT_NEAR(*meter.joules(), 2.5, 1e-9);
  EXPECT_NEAR(*meter.joules(), 2.5, 1e-9);
}

TEST(Ledger, MeasuredEnergyGoesBeforeThePredicted) {
  const test::TempDir dir;
  Ledger ledger(dir.path() / "l.sqlite");
  RunRecord r = run_named("aaaaaa1", "finished");
  r.energy_joules = 7200;
  ledger.put(r, dir.path());
  EXPECT_TRUE(ledger.runs()[0].energy_measured);
  EXPECT_EQ(ledger.runs()[0].energy_wh, 2);
}

TEST(Ledger, RatesHoldFromTheirDayOn) {
  const test::TempDir dir;
  Ledger ledger(dir.path() / "l.sqlite");
  EXPECT_EQ(ledger.won_per_usd("2026-01-01T00:00:00Z"), 1450);
  ledger.set_rate({"2026-02-01", 1400});
  ledger.set_rate({"2026-03-01", 1500});
  ledger.set_rate({"2026-03-01", 1510});
  EXPECT_EQ(ledger.won_per_usd("2026-01-31T23:59:59Z"), 1450);
  EXPECT_EQ(ledger.won_per_usd("2026-02-28T00:00:00Z"), 1400);
  EXPECT_EQ(ledger.won_per_usd("2026-03-01T00:00:00Z"), 1510);
  EXPECT_EQ(ledger.price(), 0);
  ledger.set_price(0.04);
  EXPECT_EQ(ledger.price(), 0.04);
}

TEST(Ledger, DamageIsAnErrorThatLeavesTheFile) {
  const test::TempDir dir;
  const auto file = dir.path() / "l.sqlite";
  write_file_atomic(file, std::string(5000, 'x'));
  EXPECT_NE(error_of([&] { Ledger ledger(file); }).find("left as it is"), std::string::npos);
  EXPECT_EQ(read_file(file), std::string(5000, 'x'));
  EXPECT_NE(error_of([&] { Ledger(dir.path() / "none", Database::Open::read); }).find("cannot be opened"),
            std::string::npos);
  Database(dir.path() / "empty", Database::Open::write).run("CREATE TABLE t(x)");
  EXPECT_NE(error_of([&] { Ledger(dir.path() / "empty", Database::Open::read); }).find("no ledger"), std::string::npos);
  // Another program's database stays as it is, whoever opens it.
  const std::string other = read_file(dir.path() / "empty");
  EXPECT_NE(error_of([&] { Ledger ledger(dir.path() / "empty"); }).find("something else"), std::string::npos);
  EXPECT_EQ(read_file(dir.path() / "empty"), other);
  { Ledger ledger(dir.path() / "newer"); }
  Database(dir.path() / "newer", Database::Open::write).run("UPDATE meta SET value = '2' WHERE key = 'version'");
  EXPECT_NE(error_of([&] { Ledger ledger(dir.path() / "newer"); }).find("version 2"), std::string::npos);
}

TEST(Ledger, AStatementOutsideItsTransactionIsUndone) {
  const test::TempDir dir;
  Database database(dir.path() / "d", Database::Open::write);
  database.run("CREATE TABLE t(x)");
  try {
    Transaction all(database);
    database.run("INSERT INTO t VALUES(1)");
    fail("something in between");
  } catch (const Error&) {
  }
  Statement s = database.prepare("SELECT count(*) FROM t");
  ASSERT_TRUE(s.step());
  EXPECT_EQ(s.integer(0), 0);
}

}  // namespace
}  // namespace nuri
