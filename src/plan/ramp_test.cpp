#include "plan/ramp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/test_support.h"
#include "plan/test_request.h"

namespace nuri::plan {
namespace {

constexpr double kSequence = 4096;

/// 3,072 to 15,360 sequences over 469 B tokens, in a layout that has 24 micro-batches at first.
PlanRequest ramped(const char* layout = "pp=16 ep=64 recompute=selective") {
  PlanRequest r = v3(2048);
  r.auto_layout = false;
  r.job.layout = parse_layout(layout);
  r.stages[0].ramp = {3072 * kSequence, 469e9};
  return r;
}

TEST(Ramp, StepsAreThoseOfTheIntegral) {
  const PlanRequest r = ramped();
  const StageResult s = make_plan(r).stages.at(0);
  const double first = r.stages[0].ramp.first, full = r.stages[0].batch_tokens;
  // Step by step, as a trainer would: the batch follows the tokens seen.
  double seen = 0, steps = 0;
  while (seen < 469e9) {
    seen += first + (full - first) * seen / 469e9;
    ++steps;
  }
  ASSERT_TRUE(s.ramp.has_value());
  EXPECT_NEAR(s.ramp->steps, 469e9 * std::log(full / first) / (full - first), 1e-6 * steps);
  EXPECT_NEAR(s.ramp->steps, steps, 2);
  EXPECT_NEAR(s.steps, steps + (14.8e12 - 469e9) / full, 3);
}

TEST(Ramp, IsTheSumOfItsParts) {
  const PlanRequest r = ramped();
  const Plan plan = make_plan(r);
  const StageResult& s = plan.stages.at(0);
  double tokens = 0, seconds = 0, batch = r.stages[0].ramp.first;
  for (const RampPart& part : s.ramp->parts) {
    tokens += part.tokens;
    seconds += part.steps * part.step_seconds;
    EXPECT_GT(part.batch_tokens, batch);
    batch = part.batch_tokens;
  }
  EXPECT_NEAR(tokens, 469e9, 1);
  EXPECT_NEAR(s.ramp->device_hours, seconds * 2048 / 3600 / plan.goodput, 1e-9 * s.ramp->device_hours);
  // Beside the same tokens at the full batch alone.
  PlanRequest rest = r;
  rest.stages[0].ramp = {};
  rest.stages[0].tokens -= 469e9;
  const double after = make_plan(rest).device_hours;
  EXPECT_NEAR(s.device_hours, s.ramp->device_hours + after, 1e-9 * s.device_hours);
  EXPECT_EQ(plan.device_hours, s.device_hours);
  // The pipeline waits longer for fewer micro-batches.
  EXPECT_LT(s.ramp->tokens_per_s_device, 0.97 * make_plan(rest).stages[0].tokens_per_s_device);
  EXPECT_NEAR(s.device_hours * 3600 * plan.goodput * s.tokens_per_s_device, 14.8e12, 1e4);
}

TEST(Ramp, IsNearManyStagesOfWholeMicroBatches) {
  // 24, 25, ... 120 micro-batches on each of 128 replicas, each for as long as the ramp is nearest to it.
  PlanRequest r = ramped();
  r.stages[0].batch_tokens = 15'360 * kSequence;
  r.stages[0].tokens = 469e9;
  PlanRequest fine = r;
  fine.stages.clear();
  for (int micros = 24; micros <= 120; ++micros) {
    PlanStage stage = r.stages[0];
    stage.ramp = {};
    stage.batch_tokens = 128 * kSequence * micros;
    stage.tokens = 469e9 / 96 * (micros == 24 || micros == 120 ? 0.5 : 1);
    fine.stages.push_back(stage);
  }
  EXPECT_NEAR(make_plan(r).device_hours / make_plan(fine).device_hours, 1, 1e-3);
}

TEST(Ramp, OfDualPipeIsMadeOfEvenMicroBatches) {
  // 32, 34, ... 120 micro-batches on each of 128 replicas.
  PlanRequest r = ramped("pp=16 ep=64 schedule=dualpipe recompute=selective");
  r.stages[0].batch_tokens = 15'360 * kSequence;
  r.stages[0].tokens = 469e9;
  r.stages[0].ramp.first = 128 * kSequence * 32;
  PlanRequest fine = r;
  fine.stages.clear();
  for (int micros = 32; micros <= 120; micros += 2) {
    PlanStage stage = r.stages[0];
    stage.ramp = {};
    stage.batch_tokens = 128 * kSequence * micros;
    stage.tokens = 469e9 / 44 * (micros == 32 || micros == 120 ? 0.5 : 1);
    fine.stages.push_back(stage);
  }
  const Plan plan = make_plan(r);
  EXPECT_NEAR(plan.device_hours / make_plan(fine).device_hours, 1, 1e-3);
  EXPECT_EQ(plan.stages[0].job.round_tokens(), 2 * 128 * kSequence);
}

TEST(Ramp, FromABatchToItselfIsNone) {
  PlanRequest r = ramped();
  r.stages[0].ramp.first = r.stages[0].batch_tokens;
  const Plan plan = make_plan(r);
  r.stages[0].ramp = {};
  EXPECT_EQ(plan_json(plan), plan_json(make_plan(r)));
  EXPECT_FALSE(plan.stages[0].ramp.has_value());
  // Where batches are whole micro-batches, ramps become it steadily.
  r.stages[0].batch_tokens = 15'360 * kSequence;
  const double hours = make_plan(r).device_hours;
  r.stages[0].ramp = {r.stages[0].batch_tokens * (1 - 1e-9), 469e9};
  EXPECT_NEAR(make_plan(r).device_hours / hours, 1, 1e-6);
}

TEST(Ramp, ThatOutlastsTheRunEndsWithIt) {
  PlanRequest r = ramped();
  r.stages[0].ramp.tokens = 2 * 14.8e12;
  const Plan plan = make_plan(r);
  PlanRequest half = ramped();
  half.stages[0].batch_tokens = (half.stages[0].ramp.first + half.stages[0].batch_tokens) / 2;
  half.stages[0].ramp.tokens = 14.8e12;
  EXPECT_EQ(plan.device_hours, make_plan(half).device_hours);
  EXPECT_EQ(plan.stages[0].job.batch_tokens, half.stages[0].batch_tokens);
  EXPECT_NE(plan_text(plan).find("warning: training: the ramp outlasts it"), std::string::npos);
  EXPECT_EQ(plan_text(make_plan(half)).find("outlasts"), std::string::npos);
}

TEST(Ramp, LayoutWorksFromTheFirstStepOn) {
  PlanRequest r = ramped();
  r.auto_layout = true;
  r.stages[0].ramp.first = 600 * kSequence;
  const Plan plan = make_plan(r);
  const StageResult& s = plan.stages.at(0);
  EXPECT_LE(s.job.least_batch(), 600 * kSequence);
  Job first = s.job;
  first.batch_tokens = 600 * kSequence;
  EXPECT_NO_THROW(validate(first));
  for (const Candidate& c : s.runners_up) {
    first.layout = c.layout;
    EXPECT_NO_THROW(validate(first));
  }
  PlanRequest all = r;
  all.stages[0].ramp = {};
  const StageResult fastest = make_plan(all).stages[0];
  EXPECT_GT(s.step_seconds, fastest.step_seconds);
  ASSERT_TRUE(s.ruled_out.has_value());
  EXPECT_EQ(s.ruled_out->candidate.layout, fastest.job.layout);
  EXPECT_NE(plan_text(plan).find("rules out the fastest layout"), std::string::npos);
  // The batch that the warning names keeps it.
  r.stages[0].ramp.first = s.ruled_out->least_batch;
  const StageResult later = make_plan(r).stages[0];
  EXPECT_EQ(later.job.layout, fastest.job.layout);
  EXPECT_FALSE(later.ruled_out.has_value());
}

TEST(Ramp, RefusesWhatCannotBegin) {
  const auto message = [](const PlanRequest& r) { return test::error_of([&] { make_plan(r); }); };
  PlanRequest r = ramped();
  r.stages[0].ramp.first = 2 * r.stages[0].batch_tokens;
  EXPECT_NE(message(r).find("62914560"), std::string::npos);
  // DualPipe needs 2 x 16 micro-batches of 128 sequences; the message names that batch, and it is accepted.
  r = ramped("pp=16 ep=64 recompute=selective schedule=dualpipe");
  EXPECT_NE(message(r).find("16777216: begin there"), std::string::npos) << message(r);
  r.stages[0].ramp.first = 16'777'216;
  EXPECT_NO_THROW(make_plan(r));
  r = ramped("pp=16 vp=3 ep=64 recompute=selective");
  r.stages[0].ramp.first = 8 * 128 * kSequence;
  EXPECT_NE(message(r).find("8388608"), std::string::npos) << message(r);
  r = ramped();
  r.auto_layout = true;
  r.stages[0].ramp.first = kSequence;
  EXPECT_NE(message(r).find("begin there"), std::string::npos) << message(r);
}

TEST(Ramp, IsWrittenInOneOption) {
  EXPECT_EQ(parse_ramp("12.6M:469B").first, 12.6e6);
  EXPECT_EQ(parse_ramp("12.6M:469B").tokens, 469e9);
  for (const char* bad : {"", "12.6M", ":", "12.6M:", ":469B", "x:469B", "1M:2B:3", "-1M:2B"})
    EXPECT_THROW(parse_ramp(bad), Error) << bad;
  const PlanStage stage = parse_stage("pre=14.8T:4096:12.6M-62.9M/469B");
  EXPECT_EQ(stage.ramp.first, 12.6e6);
  EXPECT_EQ(stage.batch_tokens, 62.9e6);
  EXPECT_EQ(stage.ramp.tokens, 469e9);
  EXPECT_FALSE(parse_stage("pre=14.8T:4096:62.9M").ramp.any());
  for (const char* bad :
       {"a=1T:4096:1M/2B", "a=1T:4096:1M-2M/", "a=1T:4096:-2M/2B", "a=1T:4096:1M-/2B", "a=1T:4096:1M-2M"})
    EXPECT_THROW(parse_stage(bad), Error) << bad;
}

TEST(Ramp, IsOneLine) {
  const Plan plan = make_plan(ramped());
  const std::string text = plan_text(plan), page = plan_page(plan, {});
  EXPECT_NE(text.find("from 12.58 M on over the first 469 B"), std::string::npos) << text;
  EXPECT_NE(text.find("of it ramp"), std::string::npos);
  EXPECT_NE(page.find("12.58 M - 62.91 M"), std::string::npos);
  EXPECT_NE(page.find("배치가 12.58 M에서 62.91 M 토큰으로"), std::string::npos);
  const OrderedJson stage = plan_json(plan)["stages"][0];
  EXPECT_EQ(stage["ramp"]["first_batch_tokens"], 3072 * kSequence);
  EXPECT_LT(stage["ramp"]["device_hours"], stage["device_hours"]);
}

}  // namespace
}  // namespace nuri::plan
