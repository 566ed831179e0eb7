#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "base/test_support.h"
#include "ledger/provenance.h"
#include "ledger/run_record.h"

namespace nuri {
namespace {

using test::error_of;

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

RunRecord example() {
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

}  // namespace
}  // namespace nuri
