#include "plan/published.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/test_support.h"
#include "plan/fit.h"
#include "plan/step_time.h"

namespace nuri::plan {
namespace {

constexpr const char* kHeader =
    "id,model,architecture,seq_len,tokens,precision,gpu,n_gpus,parallelism,global_batch_tokens,gpu_hours,tflops_per_"
    "gpu,mfu,"
    "step_time_s,confidence,row_kind,source_group,flops_convention,tokens_per_s_per_gpu,mbs,recompute,derived_fields,"
    "notes\n";

PublishedRun one(const std::string& row) { return parse_published(kHeader + row + "\n", "runs.csv").at(0); }

const std::string kDense = "type=dense-gqa;L=32;d=4096;h=32;kv=8;ff=14336;ffn=swiglu;vocab=128256";

TEST(Published, ReadsWhatARowStates) {
  const PublishedRun run =
      one("a,m," + kDense +
          ",8192,,bf16,H100-SXM-80GB,64,tp=4;pp=4;cp=2;vp=5,1048576,,,,,high,throughput-benchmark,g,,1121.2,1,full,,");
  ASSERT_TRUE(run.job) << run.missing;
  const Layout& l = run.job->layout;
  EXPECT_EQ(l.tp, 4);
  EXPECT_EQ(l.pp, 4);
  EXPECT_EQ(l.cp, 2);
  EXPECT_EQ(l.vp, 5);
  EXPECT_EQ(l.recompute, Recompute::full);
  EXPECT_EQ(run.job->data_parallel(), 2);
  EXPECT_EQ(run.job->micro_batches(), 64);
  EXPECT_EQ(run.measured, 1121.2);
  EXPECT_TRUE(run.assumed.empty());
  EXPECT_TRUE(run.counts());
}

TEST(Published, TargetsAreTurnedIntoTokensPerSecond) {
  const PublishedRun step =
      one("a,m," + kDense + ",8192,,bf16,H100-SXM-80GB,8,dp=8,1048576,,,,10,high,throughput-benchmark,g,,,1,none,,");
  EXPECT_NEAR(step.measured, 1048576 / 10.0 / 8, 1e-9);
  const PublishedRun hours =
      one("a,m," + kDense + ",8192,1e12,bf16,H100-SXM-80GB,8,dp=8,1048576,36000,,,,high,full-run,g,,,1,none,,");
  EXPECT_NEAR(hours.measured, 1e12 / 36000 / 3600, 1e-6);
  EXPECT_TRUE(hours.whole_run);
  const PublishedRun rate = one(
      "a,m," + kDense + ",8192,,bf16,H100-SXM-80GB,8,dp=8,1048576,,400,,,high,throughput-benchmark,g,causal,,1,none,,");
  EXPECT_NEAR(rate.measured, 400e12 / flops_per_token(*rate.job), 1e-6);
  // All pairs are twice the causal ones; a full recomputation adds a third.
  const PublishedRun all = one("a,m," + kDense +
                               ",8192,,bf16,H100-SXM-80GB,8,dp=8,1048576,,400,,,high,throughput-benchmark,g,non-causal;"
                               " recompute counted,,1,full,,");
  EXPECT_LT(all.measured, rate.measured * 0.75);
}

TEST(Published, RefusesWithTheMissingInput) {
  EXPECT_EQ(one("a,m,,8192,,bf16,H100-SXM-80GB,8,,,,,,,high,full-run,g,,100,1,,,").missing, "architecture: vocabulary");
  EXPECT_EQ(one("a,m," + kDense + ",8192,,bf16,,8,,,,,,,high,full-run,g,,100,1,,,").missing, "device");
  EXPECT_EQ(one("a,m," + kDense + ",8192,,fp8,A100-SXM-80GB,8,,,,,,,high,full-run,g,,100,1,,,").missing,
            "fp8 peak of A100-SXM-80GB");
  EXPECT_EQ(one("a,m," + kDense + ",8192,,bf16,H100-SXM-80GB,8,,,,,,,high,full-run,g,,,1,,,").missing,
            "a measured time");
  EXPECT_EQ(one("a,m," + kDense + ",8192,,bf16,H100-SXM-80GB,8,,,,,,,high,rl-run,g,,,1,,,").missing,
            "tokens (a reinforcement learning run)");
}

TEST(Published, WidthsOfNothingAreMissing) {
  const std::string rest = ",4096,,bf16,H100-SXM-80GB,8,dp=8,,,,,,high,throughput-benchmark,g,,100,1,,,";
  const std::string mla = "type=moe-mla;L=6;d=256;h=4;ff=512;vocab=1000;mla=q64/";
  EXPECT_EQ(one("a,m," + mla + "dv32/nope16/rope8/v16" + rest).missing, "architecture: width of the latent");
  EXPECT_EQ(one("a,m," + mla + "kv32" + rest).missing, "architecture: width of a head");
  EXPECT_EQ(one("a,m," + mla + "kv32/nope16/rope8/v16;experts=8;topk=0;moe_ff=64" + rest).missing,
            "architecture: experts of a token");
  EXPECT_EQ(one("a,m,type=dense;L=6;d=3;h=4;ff=512;vocab=1000" + rest).missing, "architecture: width of a head");
}

TEST(Published, DerivedAndLowRowsDoNotCount) {
  EXPECT_FALSE(
      one("a,m," + kDense +
          ",8192,,bf16,H100-SXM-80GB,8,dp=8,,,,,,high,throughput-benchmark,g,,100,1,,tokens_per_s_per_gpu=total/8,")
          .counts());
  EXPECT_FALSE(
      one("a,m," + kDense + ",8192,,bf16,H100-SXM-80GB,8,dp=8,,,,,,low,throughput-benchmark,g,,100,1,,,").counts());
}

/// The bars of the planner: docs/plan.md shows the table. Slow: half a minute under the sanitizers.
TEST(Published, SlowErrorWithItsGroupLeftOut) {
  NURI_SHARED_OR_SKIP(shared);
  const auto runs = read_published(shared / "reference" / "published-training-runs.csv");
  const FitResult result = cross_validate(runs, nullptr);
  std::vector<double> left_out;
  size_t predicted = 0;
  for (const PublishedRun& run : runs) predicted += run.job.has_value();
  for (const RunError& e : result.errors)
    if (e.run->counts()) left_out.push_back(e.left_out);
  const ErrorSummary s = summarise(left_out);
  EXPECT_GE(static_cast<double>(predicted), 0.9 * static_cast<double>(runs.size()));
  EXPECT_GE(s.n, 300U);
  EXPECT_LE(s.median, 0.15);
  EXPECT_LE(s.p90, 0.40);
  EXPECT_LE(kConstants, 25U);
  for (const RunError& e : result.errors) {
    if (e.run->id != "deepseek-deepseek-v3-01") continue;
    EXPECT_NEAR(e.left_out, 0, 0.15);
    EXPECT_NEAR(e.in_sample, 0, 0.08);
  }
  // The constants of the program are this fit's.
  for (size_t i = 0; i < kConstants; ++i)
    EXPECT_NEAR(fitted_constants().value[i], result.all.value[i], 2e-3 * result.all.value[i])
        << constant_infos()[i].name << ": tools/fit_plan.sh writes the new values";
}

TEST(Published, CostOfV3StageByStage) {
  NURI_SHARED_OR_SKIP(shared);
  // Hours of the three stages at the published price of 2 dollars are the published dollars, and their sum the whole.
  const auto runs = read_published(shared / "reference" / "published-training-runs.csv");
  double hours = 0;
  for (const PublishedRun& run : runs) {
    if (run.id == "deepseek-deepseek-v3-01" || run.id == "deepseek-deepseek-v3-02" ||
        run.id == "deepseek-deepseek-v3-03")
      hours += run.device_hours;
  }
  EXPECT_EQ(hours, 2'788'000);
  EXPECT_EQ(hours * 2, 5'576'000);
}

TEST(Fit, FindsConstantsBack) {
  // Runs made by the model itself, of other constants than the prior's: the fit predicts them.
  Constants truth = prior_constants();
  truth.value[static_cast<size_t>(Constant::product_16)] = 0.7;
  truth.value[static_cast<size_t>(Constant::elementwise)] = 90;
  std::vector<PublishedRun> runs;
  for (const int64_t micro : {1, 2, 4})
    for (const int64_t devices : {8, 64, 512}) {
      PublishedRun run = one("a,m," + kDense + ",8192,,bf16,H100-SXM-80GB," + std::to_string(devices) +
                             ",dp=" + std::to_string(devices) + ",16777216,,,,,high,throughput-benchmark,g" +
                             std::to_string(devices) + ",,1000," + std::to_string(micro) + ",none,,");
      run.measured = predict(run, truth);
      runs.push_back(run);
    }
  std::vector<const PublishedRun*> used;
  for (const PublishedRun& run : runs) used.push_back(&run);
  const Constants found = fit(used, prior_constants());
  for (const PublishedRun& run : runs) EXPECT_NEAR(predict(run, found) / run.measured, 1, 0.02);
}

TEST(Fit, SummaryOfErrors) {
  const ErrorSummary s = summarise({-0.5, 0.1, 0.2, -0.3, 0.4});
  EXPECT_NEAR(s.median, 0.3, 1e-12);
  EXPECT_NEAR(s.p90, 0.46, 1e-12);
  EXPECT_EQ(summarise({}).n, 0U);
}

}  // namespace
}  // namespace nuri::plan
