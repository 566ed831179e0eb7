#include "ledger/run_record.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/test_support.h"
#include "ledger/ledger.h"
#include "ledger/ledger_test_support.h"
#include "ledger/provenance.h"

namespace nuri {
namespace {

using test::error_of;
using test::example;
using test::run_named;

TEST(RunRecord, ReadsBackWhatItWrites) {
  const RunRecord record = example();
  EXPECT_EQ(parse_run_record(run_record_json(record), "r"), record);
  EXPECT_EQ(parse_run_record("{}", "r"), RunRecord());
  EXPECT_TRUE(std::isnan(parse_run_record(R"({"results":{"loss":null}})", "r").results["loss"]));
  EXPECT_NE(error_of([] { parse_run_record(R"({"tokens":"x"})", "r"); }).find("r: tokens: found \"x\""),
            std::string::npos);
  EXPECT_NE(error_of([] { parse_run_record(R"({"command":[1]})", "r"); }).find("r: command: found an integer"),
            std::string::npos);
  EXPECT_NE(error_of([] { parse_run_record(R"({"results":{"a":"b"}})", "r"); }).find("r: results: a: found"),
            std::string::npos);
}

TEST(RunRecord, FileTellsTheStateOfTheRun) {
  const test::TempDir dir;
  const auto path = dir.path() / "run.json";
  {
    RunFile file(path, example());
    EXPECT_EQ(read_run_record(path).outcome, "running");
    file.record().steps = 7;
    file.update();
    EXPECT_EQ(read_run_record(path).steps, 7);
  }
  const RunRecord killed = read_run_record(path);
  EXPECT_EQ(killed.outcome, "running");
  EXPECT_TRUE(killed.ended.empty());
  RunFile resumed(path, example(), true);
  resumed.finish("stopped", "SIGTERM");
  const RunRecord record = read_run_record(path);
  EXPECT_EQ(record.outcome, "stopped");
  EXPECT_EQ(record.reason, "SIGTERM");
  EXPECT_EQ(record.sessions, 2);
  EXPECT_EQ(record.started, killed.started);
  EXPECT_GE(record.seconds, killed.seconds);
  EXPECT_GT(record.memory_peak_bytes, 0);
  EXPECT_EQ(record.commit, build_commit());
}

TEST(RunFile, AResumedRunCountsEachSessionByItsThreads) {
  const test::TempDir dir;
  RunRecord r = run_named("aaaaaa1", "running");
  r.seconds = r.thread_seconds = r.energy_joules = 0;
  r.machine.threads = 4;
  { RunFile first(dir.path() / "run.json", r); }
  RunRecord before = read_run_record(dir.path() / "run.json");
  before.seconds = 100;
  before.thread_seconds = 400;
  before.energy_joules = 0;  // no meter then: the whole is predicted
  write_file_atomic(dir.path() / "run.json", run_record_json(before));
  r.machine.threads = 2;
  RunFile second(dir.path() / "run.json", r, true);
  second.finish("finished");
  const RunRecord after = read_run_record(dir.path() / "run.json");
  EXPECT_NEAR(after.thread_seconds - 400, 2 * (after.seconds - 100), 1e-6);
  EXPECT_EQ(after.energy_joules, 0);
  Ledger ledger(dir.path() / "l.sqlite");
  ledger.put(after, dir.path());
  EXPECT_EQ(ledger.runs()[0].device_seconds, after.thread_seconds);
}

TEST(RunFile, AResumedRunKeepsItsMachinesAndItsPlan) {
  const test::TempDir dir;
  const std::filesystem::path path = dir.path() / "run.json";
  RunRecord r = example();
  r.machine.cpu = "first";
  r.seconds_planned = 50;
  r.energy_wh_planned = 2;
  r.usd_planned = 0.25;
  { RunFile begun(path, r); }
  const std::string first = machine_text(r.machine);
  r.seconds_planned = r.energy_wh_planned = r.usd_planned = 0;
  for (const char* cpu : {"first", "second", "first", "second", "third"}) {
    r.machine.cpu = cpu;
    RunFile again(path, r, true);
  }
  const RunRecord record = read_run_record(path);
  EXPECT_EQ(record.sessions, 6);
  EXPECT_EQ(record.machine.cpu, "third");
  ASSERT_EQ(record.earlier_machines.size(), 2u);  // each once
  EXPECT_EQ(record.earlier_machines[0], first);
  EXPECT_TRUE(record.earlier_machines[1].starts_with("second, ")) << record.earlier_machines[1];
  EXPECT_EQ(record.seconds_planned, 50);
  EXPECT_EQ(record.energy_wh_planned, 2);
  EXPECT_EQ(record.usd_planned, 0.25);
  r.seconds_planned = 70;  // a new plan replaces it
  { RunFile again(path, r, true); }
  EXPECT_EQ(read_run_record(path).seconds_planned, 70);
}

TEST(RunRecord, PlacesAreReadByTheirKey) {
  RunRecord r;
  r.places = {"tokenizer=/t", "chats=/a=b", "chats=/c", "held_out=/d"};
  EXPECT_EQ(places_of(r, "chats"), (std::vector<std::string>{"/a=b", "/c"}));
  EXPECT_TRUE(places_of(r, "data").empty());
}

}  // namespace
}  // namespace nuri
