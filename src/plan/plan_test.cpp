#include "plan/plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "arch/counts.h"
#include "base/file.h"
#include "base/test_support.h"
#include "plan/csv.h"
#include "plan/test_request.h"

namespace nuri::plan {
namespace {

TEST(Plan, SearchesManyLayoutsOfV3) {
  for (const int64_t devices : {2048, 50'000}) {
    const Plan plan = make_plan(v3(devices));
    const StageResult& s = plan.stages.front();
    EXPECT_GE(s.evaluated, 20'000) << devices;
    ASSERT_EQ(s.runners_up.size(), 10U) << devices;
    double last = s.step_seconds;
    for (const Candidate& c : s.runners_up) {
      EXPECT_GE(c.step_seconds, last);
      EXPECT_LE(c.memory, 0.95e9 * 80);
      last = c.step_seconds;
      Job job = s.job;
      job.layout = c.layout;
      EXPECT_NO_THROW(validate(job)) << layout_text(c.layout);
      EXPECT_NEAR(step_cost(job, fitted_constants()).total(), c.step_seconds, 1e-9 * c.step_seconds);
    }
  }
}

TEST(Plan, V3AsPublished) {
  PlanRequest r = v3(2048);
  r.auto_layout = false;
  r.job.layout = parse_layout("pp=16 ep=64 schedule=dualpipe recompute=selective");
  const Plan plan = make_plan(r);
  EXPECT_NEAR(plan.device_hours / 2.664e6, 1, 0.08);
  EXPECT_NEAR(plan.money.rent, 2 * plan.device_hours, 1);
  EXPECT_NEAR(plan.flops / (14.8e12 * 260.7e9), 1, 0.01);
  EXPECT_LE(plan.memory.total(), 80e9);
  double parts = 0;
  const OrderedJson json = plan_json(plan);
  for (const auto& [name, seconds] : json["stages"][0]["step_parts_seconds"].items()) parts += seconds.get<double>();
  EXPECT_NEAR(parts, plan.stages[0].step_seconds, 1e-9 * parts);
}

TEST(Plan, V3StageByStage) {
  // Published: 2,664,000 + 119,000 + 5,000 hours, at 2 dollars 5.576 M (arXiv:2412.19437, table 1).
  PlanRequest pre = v3(2048);
  pre.auto_layout = false;
  pre.job.layout = parse_layout("pp=16 ep=64 schedule=dualpipe recompute=selective");
  PlanRequest extension = v3(2048);
  extension.stages = {parse_stage("32K=62914560000:32768:62914560"), parse_stage("128K=62914560000:131072:62914560")};
  const double first = make_plan(pre).device_hours, second = make_plan(extension).device_hours;
  EXPECT_NEAR(first / 2'664'000, 1, 0.08);
  EXPECT_NEAR(second / 119'000, 1, 0.15);
  EXPECT_NEAR((first + second + 5000) / 2'788'000, 1, 0.08);
  EXPECT_NEAR((make_plan(pre).money.rent + make_plan(extension).money.rent + 10'000) / 5.576e6, 1, 0.08);
}

TEST(Plan, MoreOfAnythingCostsMore) {
  PlanRequest r = v3(2048);
  const Plan base = make_plan(r);
  r.stages[0].tokens *= 2;
  EXPECT_NEAR(make_plan(r).device_hours / base.device_hours, 2, 1e-6);
  r = v3(2048);
  r.assumed.hours_between_failures = 1000;
  EXPECT_GT(make_plan(r).device_hours, base.device_hours * 1.05);
  r = v3(2048);
  r.job.precision = Precision::bf16;
  EXPECT_GT(make_plan(r).device_hours, base.device_hours);
}

TEST(Plan, ImpossibleLayoutsNameTheNearest) {
  const auto message = [](int64_t devices, const std::string& layout) {
    PlanRequest r = v3(devices);
    r.auto_layout = false;
    return test::error_of([&] {
      r.job.layout = parse_layout(layout);
      make_plan(r);
    });
  };
  EXPECT_NE(message(2048, "tp=3").find("nearest"), std::string::npos);
  EXPECT_NE(message(2050, "pp=16").find("2048 and 2064"), std::string::npos);
  EXPECT_NE(message(2048, "pp=16 ep=60").find("nearest that does is 64"), std::string::npos);
  EXPECT_NE(message(2048, "pp=64 vp=2").find("at most 61"), std::string::npos);
  EXPECT_NE(message(16, "pp=32").find("there are 16"), std::string::npos);
  EXPECT_NE(message(2048, "pq=2").find("pp"), std::string::npos);
  EXPECT_NE(message(2048, "pp=0").find("from 1"), std::string::npos);
  EXPECT_NE(message(2048, "recompute=som").find("allowed"), std::string::npos);
  EXPECT_NE(message(2048, "zero=3 pp=2").find("ZeRO 3"), std::string::npos);
  EXPECT_NE(message(2048, "vp=2").find("pp > 1"), std::string::npos);
  EXPECT_NE(message(2048, "pp=2 mbs=64").find("fewer replicas"), std::string::npos);
  EXPECT_NE(test::error_of([] { make_plan(v3(8)); }).find("more devices"), std::string::npos);
  PlanRequest r = v3(2048);
  r.job.device = find_device("A100-SXM-80GB");
  EXPECT_NE(test::error_of([&] { make_plan(r); }).find("fp8"), std::string::npos);
}

TEST(Plan, QuantitiesAndStages) {
  EXPECT_EQ(parse_quantity("14.8T", "x"), 14.8e12);
  EXPECT_EQ(parse_quantity("62.9 M", "x"), 62.9e6);
  for (const char* bad : {"", "T", "-1", "0", "1Q", "nan", "1e30", "1 2"})
    EXPECT_THROW(parse_quantity(bad, "x"), Error) << bad;
  const PlanStage stage = parse_stage("context 32K=63B:32768:62.9M");
  EXPECT_EQ(stage.name, "context 32K");
  EXPECT_EQ(stage.seq_len, 32768);
  for (const char* bad : {"", "a", "a=1", "a=1:2", "=1:2:3", "a=1:x:3"}) EXPECT_THROW(parse_stage(bad), Error) << bad;
  EXPECT_EQ(quantity_text(14.8e12), "14.8 T");
}

TEST(Plan, DualPipeIsDrawnWithEvenMicroBatches) {
  struct Case {
    int64_t pp, micros, drawn;
  };
  for (const Case& c :
       {Case{4, 8, 8}, {4, 9, 10}, {4, 25, 24}, {4, 120, 24}, {8, 23, 24}, {16, 120, 32}, {40, 95, 80}}) {
    StageResult s;
    s.job.n_devices = c.pp;
    s.job.layout.pp = c.pp;
    s.job.layout.schedule = Schedule::dualpipe;
    s.job.seq_len = 1;
    s.job.batch_tokens = static_cast<double>(c.micros);
    s.cost.micro_forward = 1;
    s.cost.micro_backward = 2;
    const auto drawn = drawn_pipeline(s);
    ASSERT_TRUE(drawn) << c.pp << " stages, " << c.micros;
    EXPECT_EQ(drawn->micros, c.drawn) << c.pp << " stages, " << c.micros;
    EXPECT_NEAR(drawn->run.idle, static_cast<double>(c.pp) - 2, 1e-9);
  }
}

TEST(Plan, PageIsSelfContained) {
  PlanRequest r = v3(2048);
  r.model = "<b>\"v3\"";
  r.auto_layout = false;
  r.job.layout = parse_layout("pp=16 ep=64 recompute=selective");
  const Plan plan = make_plan(r);
  const std::string page = plan_page(plan, {plan_json(plan)});
  EXPECT_EQ(page.find("<b>\"v3\""), std::string::npos);
  EXPECT_EQ(page.find("http"), page.find("http-equiv"));
  for (const char* part : {"type=\"range\"", "Pipeline", "파이프라인", "<svg"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  EXPECT_EQ(page.find("순전파와 역전파를 함께"), std::string::npos);
  r.job.layout = parse_layout("pp=16 ep=64 recompute=selective schedule=dualpipe");
  const std::string dual = plan_page(make_plan(r), {});
  EXPECT_NE(dual.find("순전파와 역전파를 함께"), std::string::npos);
  EXPECT_NE(dual.find(">31/7</text>"), std::string::npos);
}

TEST(Plan, PageIsKoreanWhereItIsEnglish) {
  // Much waits and much is exchanged, so that most warnings are there.
  PlanRequest r = v3(2048);
  r.auto_layout = false;
  r.job.layout = parse_layout("pp=16 ep=128 recompute=none");
  r.job.precision = Precision::bf16;
  r.stages[0].tokens = 100e12;
  r.stages[0].batch_tokens = 16'777'216;
  r.prices.staff_usd_month = 1e5;
  r.prices.buy_usd = 3e4;
  const Plan plan = make_plan(r);
  EXPECT_GE(plan.warnings.size(), 4U);
  const auto korean = [](const std::string& text) { return text.find_first_of("\xea\xeb\xec\xed") != text.npos; };
  for (const report::Label& w : plan.warnings) {
    EXPECT_TRUE(korean(w.ko)) << w.en;
    EXPECT_FALSE(korean(w.en)) << w.en;
  }
  const std::string page = plan_page(plan, {plan_json(plan)});
  for (const char* part : {"주의: 메모리", "파이프라인 대기", "전문가 교환", "최적화기 상태", "활성값", "인건비",
                           "구매할 때 이 학습의 몫", "이 계획", "일</span>"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  // A cell of words without a Korean half is a name, or one of the layouts, which are written as options.
  for (const char* part : {"<td>products", "<td>weights", "<td>rent", "<td>model"})
    EXPECT_EQ(page.find(part), std::string::npos) << part;
}

TEST(Hardware, IsThatOfTheSharedTable) {
  NURI_SHARED_OR_SKIP(shared);
  const CsvTable t(read_file(shared / "reference" / "hardware.csv", 1 << 20), "hardware.csv");
  for (size_t i = 0; i < t.size(); ++i) {
    if (t.cell(i, "kind") == "cpu") continue;
    const Device& d = find_device(t.cell(i, "name"));
    const auto same = [&](double ours, const char* column, const char* other = nullptr) {
      double theirs = t.number(i, column);
      if (std::isnan(theirs) && other) theirs = t.number(i, other);
      if (!std::isnan(theirs)) {
        EXPECT_EQ(ours, theirs) << d.name << " " << column;
      }
    };
    same(d.bf16, "bf16_tflops", "fp16_tflops");
    same(d.fp8, "fp8_tflops");
    same(d.fp4, "fp4_tflops");
    same(d.memory_gb, "mem_gb");
    same(d.memory_gbs, "mem_bw_gbs");
    same(d.link_gbs, "intra_link_gbs_per_dir");
    same(d.network_gbs, "inter_node_gbs_per_gpu_typical");
    same(d.watts, "tdp_w");
    same(d.rent_low, "rent_usd_h_low");
    same(d.rent_high, "rent_usd_h_high");
  }
}

TEST(Hardware, NamesAreFoundByTheirBeginnings) {
  EXPECT_EQ(find_device("H800").name, "H800-SXM-80GB");
  EXPECT_NE(test::error_of([] { find_device("H100"); }).find("may be"), std::string::npos);
  EXPECT_NE(test::error_of([] { find_device("H8000-SXM-80GB"); }).find("H800-SXM-80GB"), std::string::npos);
  const test::TempDir dir;
  const auto file = dir.path() / "own.csv";
  write_file_atomic(file, "name,bf16_tflops,mem_gb,mem_bw_gbs\nown,100,32,1000\n");
  EXPECT_EQ(read_devices(file).at(0).bf16, 100);
  write_file_atomic(file, "name,bf16_tflops\nown,-1\n");
  EXPECT_THROW(read_devices(file), Error);
}

TEST(Memory, ShardingDividesTheState) {
  PlanRequest r = v3(2048);
  Job job = r.job;
  job.batch_tokens = 62'914'560;
  job.layout = parse_layout("pp=16 ep=64 zero=0");
  const DeviceMemory whole = device_memory(job);
  const HeldValues held = held_values(job);
  EXPECT_NEAR(whole.weights, 2 * (held.shared + held.experts), 1);
  EXPECT_NEAR(whole.optimizer, 12 * (held.shared + held.experts), 1);
  job.layout.zero = 1;
  EXPECT_LT(device_memory(job).optimizer, whole.optimizer);
  EXPECT_EQ(device_memory(job).gradients, whole.gradients);
  const ParameterCounts n = count_parameters(job.shape);
  EXPECT_NEAR((held.shared + held.experts * 64) * 16, static_cast<double>(n.total()),
              1e-6 * static_cast<double>(n.total()));
  double last = 1e30;
  for (const Recompute recompute : {Recompute::none, Recompute::selective, Recompute::ffn, Recompute::full}) {
    job.layout.recompute = recompute;
    EXPECT_LT(device_memory(job).activations, last);
    last = device_memory(job).activations;
  }
}

}  // namespace
}  // namespace nuri::plan
