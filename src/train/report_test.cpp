// report.html from logs that are whole, of another shape, or damaged.
#include "train/report.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/test_support.h"
#include "ledger/run_record.h"
#include "train/live_report.h"
#include "train/metrics.h"

namespace nuri {
namespace {

StepRow row(int64_t step, std::vector<std::vector<int64_t>> counts) {
  StepRow r;
  r.step = step;
  r.tokens = 64 * step;
  r.loss = r.main = r.mtp = 3;
  r.seconds = 0.5;
  r.layer_rms = r.layer_logit = {1, 2, 3};
  r.layer_grad_norm = r.layer_update = {0.5, 1, 2, 3, 4};  // embedding, two layers, MTP, head
  r.expert_counts = std::move(counts);
  return r;
}

std::string page_of(const fs::path& run, const std::string& log, const RunRecord& record = {}) {
  write_file_atomic(run / "log.jsonl", log);
  write_file_atomic(run / "run.json", run_record_json(record));
  write_report(run / "");
  return read_file(run / "report.html");
}

std::string log_of(const fs::path& dir, const std::vector<StepRow>& rows,
                   const std::vector<WarningRow>& warnings = {}) {
  fs::remove(dir / "rows");
  {
    LogWriter log(dir / "rows", 0);
    for (const StepRow& r : rows) log.write(r);
    for (const WarningRow& w : warnings) log.write(w);
  }
  return read_file(dir / "rows");
}

TEST(Report, NamesTheRunItsResultsAndItsLayers) {
  const test::TempDir dir;
  const fs::path run = dir.path() / "first-run";
  fs::create_directories(run);
  write_file_atomic(run / "config.json",
                    R"({"model_type": "deepseek_v3", "num_hidden_layers": 2, "first_k_dense_replace": 1})");
  RunRecord record;
  record.outcome = "finished";
  record.recipe = "lr = 1e-3    # peak\n";
  record.results = {{"mfu", 0.25}, {"bits_per_byte", 1.5}};
  record.hashes = {{"initial_weights", "12ab"}};
  const std::string page =
      page_of(run, log_of(dir.path(), {row(1, {{5, 3}, {4, 4}}), row(2, {{1, 7}, {8, 0}})}), record);
  for (const char* part : {"Training run first-run", "25.0 %", "validation, bits per byte", "완료", ">MTP<",
                           "lr = 1e-3    # peak", "hash of initial weights"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  for (const char* part : {">nan", "bits_per_byte", ">layer 2<"}) EXPECT_EQ(page.find(part), std::string::npos) << part;
}

TEST(Report, APageDrawnMeanwhileReadsSomeOfALongLog) {
  const test::TempDir dir;
  std::vector<StepRow> rows;
  for (int64_t step = 1; step <= 2501; ++step) rows.push_back(row(step, {{step, 3}, {4, 4}}));
  const std::vector<WarningRow> warnings{{.step = 3, .what = "grad_norm", .group = 1, .value = 2, .usual = 1}};
  const fs::path path = dir.path() / "log.jsonl";
  write_file_atomic(path, log_of(dir.path(), rows, warnings) + "{\"kind\":\"step\",\"step\":25");  // half written
  for (const int64_t most : {int64_t{1}, int64_t{7}, int64_t{1000}}) {
    const RunLog log = thinned_log(path, most);
    ASSERT_LE(static_cast<int64_t>(log.steps.size()), most);
    ASSERT_GE(static_cast<int64_t>(log.steps.size()), most / 2 - 1);
    EXPECT_EQ(log.warnings.size(), 1u);
    for (size_t i = 2; i < log.steps.size(); ++i)
      EXPECT_EQ(log.steps[i].step - log.steps[i - 1].step, log.steps[1].step - log.steps[0].step);
    const int64_t newest = most > 1 ? log.steps.back().step : 2501;
    EXPECT_GT(newest, 2501 - 2 * (2502 / most + 1));
  }
  EXPECT_EQ(thinned_log(path, 3000).steps.size(), read_log(path).steps.size());
}

TEST(Report, ShowsLayersNormsAndWarnings) {
  const test::TempDir dir;
  write_file_atomic(dir.path() / "config.json", R"({"model_type": "deepseek_v3", "num_hidden_layers": 2})");
  const std::vector<WarningRow> warnings = {{2, "update", 3, 0.5, 0.01, 1}};
  const std::string log = log_of(dir.path(), {row(1, {{1, 1}}), row(2, {{1, 1}})}, warnings);
  const std::string page = page_of(dir.path(), log);
  for (const char* part : {"Gradient norm by layer", "Update by layer", ">embedding<", ">head<", "Warnings (1)",
                           "warning: step 2: update of MTP is 0.5, 50.0 times its median"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  const RunLog again = parse_log(log);
  ASSERT_EQ(again.warnings.size(), 1u);
  EXPECT_EQ(again.warnings[0].usual, 0.01);
  EXPECT_EQ(again.steps[0].layer_update, (std::vector<double>{0.5, 1, 2, 3, 4}));
  // A log of before these numbers is a log still.
  std::string old = log;
  for (const char* key : {"layer_grad_norm", "layer_update"})
    for (size_t at; (at = old.find(key)) != std::string::npos;) old.replace(at, 5, "older");
  EXPECT_EQ(parse_log(old).steps.size(), 2u);
  EXPECT_NE(page_of(dir.path(), old).find("</html>"), std::string::npos);
}

TEST(Report, PagesOfRunsThatGoOnAreReadAgainAndWrittenInTime) {
  const test::TempDir dir;
  RunRecord record;
  const std::string log = log_of(dir.path(), {row(1, {{1, 1}})});
  EXPECT_NE(page_of(dir.path(), log, record).find("data-reload=\"10\""), std::string::npos);
  for (const char* outcome : {"finished", "stopped", "failed"}) {
    record.outcome = outcome;
    EXPECT_EQ(page_of(dir.path(), log, record).find("data-reload="), std::string::npos) << outcome;
  }
  ReportTimes times;
  EXPECT_TRUE(times.due(100, false));
  times.wrote(100, 100.01);
  EXPECT_FALSE(times.due(100.1, true));  // 0.01 s are a twentieth of 0.2
  EXPECT_TRUE(times.due(100.3, true));
  EXPECT_FALSE(times.due(100.3, false));
  EXPECT_FALSE(times.due(109.9, false));
  EXPECT_TRUE(times.due(110.1, false));
  times.wrote(200, 202);  // a log of many steps
  EXPECT_FALSE(times.due(215, true));
  EXPECT_FALSE(times.due(215, false));
  EXPECT_TRUE(times.due(241, false));
}

// Of reinforcement learning, where nothing pulls: no trainer ran, and the charts are of the steps in which one did.
TEST(Report, AStepWithoutAnUpdateTakesNoChartAway) {
  const test::TempDir dir;
  std::vector<StepRow> rows{row(1, {{5, 3}, {4, 4}}), row(2, {})};
  rows[1].layer_grad_norm.clear(), rows[1].layer_update.clear();
  const std::string page = page_of(dir.path(), log_of(dir.path(), rows));
  EXPECT_NE(page.find("Load of experts"), std::string::npos);
  EXPECT_NE(page.find("<title>embedding</title>"), std::string::npos) << "a line for each layer's norm";
  for (int64_t step = 3; step < 40; ++step) rows.push_back(rows[1]), rows.back().step = step;
  EXPECT_NE(page_of(dir.path(), log_of(dir.path(), rows)).find("Load of experts"), std::string::npos);
}

TEST(Report, ResultsHaveTheirNames) {
  const test::TempDir dir;
  RunRecord record;
  record.results = {
      {"prompts_too_long", 7}, {"chats", 90}, {"chats_cut", 3}, {"held_out_chats_left_out", 2}, {kPeakGflops, 470.6}};
  const std::string page = page_of(dir.path(), "", record);
  for (const char* part : {"prompts passed over as too long", "chats to train on",
                           "chats to train on longer than length, cut", "chats held out left out"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  EXPECT_NE(page.find("measured peak of products, GFLOP/s"), std::string::npos);
  for (const char* key : {"chats_cut", kPeakGflops}) EXPECT_EQ(page.find(key), std::string::npos) << key;
}

TEST(Report, CountsAreWholeNumbersOfTheirRange) {
  const test::TempDir dir;
  const std::string good = log_of(dir.path(), {row(1, {{5, 3}, {4, 4}})});
  ASSERT_EQ(parse_log(good).steps.size(), 1u);
  for (const char* count : {"2.5e116", "-1e19", "-1", "1.5", "18446744073709551615", "9007199254740993", "\"7\""}) {
    for (const char* key : {"\"tokens\":", "\"dead_experts\":", "\"expert_counts\":[["}) {
      std::string log = good;
      const size_t begin = log.find(key) + std::string_view(key).size(), end = log.find_first_of(",]", begin);
      EXPECT_TRUE(parse_log(log.replace(begin, end - begin, count)).steps.empty()) << key << count;
    }
    EXPECT_TRUE(parse_log(fmt::format("{{\"kind\":\"save\",\"step\":1,\"background\":true,\"stall_seconds\":0,"
                                      "\"write_seconds\":0,\"bytes\":{}}}\n",
                                      count))
                    .saves.empty())
        << count;
  }
}

TEST(Report, DamagedLogsStillMakeAPage) {
  const test::TempDir dir;
  const std::string good = log_of(dir.path(), {row(1, {{5, 3}, {4, 4}})});
  for (const std::string& log :
       {std::string(), std::string("{\n"), std::string("{\"kind\":\"step\",\"step\":1}\n"),
        good + log_of(dir.path(), {row(2, {{1, 2, 3}})}), good + log_of(dir.path(), {row(2, {{1, 2}, {3}})}),
        good + log_of(dir.path(), {row(2, {{}})}), good + log_of(dir.path(), {row(2, {})}),
        good + log_of(dir.path(), {row(2, {{1, 2}, {3, 4}, {5, 6}})}), good + good.substr(0, good.size() / 2)})
    EXPECT_NE(page_of(dir.path(), log).find("</html>"), std::string::npos) << log;
}

}  // namespace
}  // namespace nuri
