// Micro-batches, shards and threads leave no trace in the bits of a step.
#include "train/step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "arch/arch_test_support.h"
#include "base/philox.h"
#include "base/test_support.h"
#include "base/threads.h"
#include "models/load.h"
#include "train/memory_plan.h"
#include "train/session.h"
#include "train/state.h"

namespace nuri {
namespace {

constexpr int64_t kRows = 4, kLength = 33;

DeepseekV3Config config() {
  DeepseekV3Config c = test::tiny_config();
  c.n_routed_experts = 6;
  return c;
}

struct Result {
  std::string hash;
  StepResult last;
};

/// Steps `first` + 1 to `last` of a run.
StepResult train_steps(TrainStep& step, int64_t first, int64_t last) {
  StepResult result;
  for (int64_t s = first; s < last; ++s) {
    const Philox random(9, Purpose::test, static_cast<uint64_t>(s));
    std::vector<int32_t> tokens, documents;
    for (int64_t i = 0; i < kRows * (kLength + 1); ++i) {
      tokens.push_back(static_cast<int32_t>(random.below(61, static_cast<uint64_t>(i))));
      documents.push_back(i % (kLength + 1) > 10 + i / (kLength + 1));
    }
    result = step.gradients(tokens, documents, kRows);
    step.apply(result, 1e-2, s + 1);
  }
  return result;
}

Result run(DType dtype, StepOptions options, int64_t steps = 3, int threads = 2,
           const OptimizerOptions& optimizer_options = {}, MlaForm form = MlaForm::expanded) {
  set_thread_count(threads);
  options.length = kLength;
  DeepseekV3 model(config(), {.dtype = dtype, .trainable = true, .form = form});
  model.initialise(1);
  Optimizer optimizer(model.parameters(), optimizer_options);
  TrainStep step(model, optimizer, options);
  Result result;
  result.last = train_steps(step, 0, steps);
  result.hash = weights_hash(model);
  set_thread_count(2);
  return result;
}

class StepBits : public testing::TestWithParam<DType> {};

/// Gradients of a step where only some tokens are learned: those of the same rows, cut into micro-batches and shards,
/// and without any trace of the targets that are not.
TEST_P(StepBits, OnlyLearnedTokensPull) {
  const auto gradients = [&](int64_t micro, int32_t unlearned_id) {
    DeepseekV3 model(config(), {.dtype = GetParam(), .trainable = true});
    model.initialise(1);
    Optimizer optimizer(model.parameters(), {});
    TrainStep step(model, optimizer, {.length = kLength, .micro_rows = micro});
    std::vector<int32_t> tokens, documents;
    std::vector<uint8_t> learned;
    const Philox random(9, Purpose::test);
    for (int64_t i = 0; i < kRows * (kLength + 1); ++i) {
      const bool last = i % (kLength + 1) == kLength;  // a target only, and no input
      tokens.push_back(last ? unlearned_id : static_cast<int32_t>(random.below(61, static_cast<uint64_t>(i))));
      documents.push_back(0);
      learned.push_back(!last && i % 3 == 0);
    }
    StepResult result = step.gradients(tokens, documents, kRows, learned);
    int64_t targets = 0;  // the first token of a row is none
    for (size_t i = 0; i < learned.size(); ++i) targets += learned[i] && i % (kLength + 1) > 0;
    EXPECT_EQ(result.targets, targets);
    step.apply(result, 1e-2, 1);
    return weights_hash(model);
  };
  const std::string whole = gradients(kRows, 3);
  EXPECT_EQ(gradients(1, 3), whole);
  EXPECT_EQ(gradients(kRows, 44), whole);
}

TEST_P(StepBits, MicroBatchesDoNotShow) {
  const Result whole = run(GetParam(), {.micro_rows = kRows});
  for (int64_t micro : {1, 2, 3}) {
    const Result cut = run(GetParam(), {.micro_rows = micro});
    EXPECT_EQ(cut.hash, whole.hash) << micro << " rows at once";
    EXPECT_EQ(cut.last.total, whole.last.total);
    EXPECT_EQ(cut.last.grad_norm, whole.last.grad_norm);
    for (size_t i = 0; i < whole.last.layers.size(); ++i)
      EXPECT_EQ(cut.last.layers[i].expert_counts, whole.last.layers[i].expert_counts);
  }
}

TEST_P(StepBits, ThreadsDoNotShow) {
  const Result two = run(GetParam(), {.micro_rows = kRows});
  for (int threads : {1, 3, 5}) EXPECT_EQ(run(GetParam(), {.micro_rows = kRows}, 3, threads).hash, two.hash) << threads;
}

TEST_P(StepBits, RecomputationDoesNotShow) {
  for (const MlaForm form : {MlaForm::expanded, MlaForm::absorbed}) {
    const Result kept = run(GetParam(), {.micro_rows = kRows}, 3, 2, {}, form);
    for (const Recompute recompute : {Recompute::selective, Recompute::blocks}) {
      const Result again = run(GetParam(), {.micro_rows = kRows, .recompute = recompute}, 3, 2, {}, form);
      EXPECT_EQ(again.hash, kept.hash);
      EXPECT_EQ(again.last.total, kept.last.total);
      EXPECT_EQ(again.last.balance, kept.last.balance);
      for (size_t i = 0; i < kept.last.layers.size(); ++i) {
        EXPECT_EQ(again.last.layers[i].expert_counts, kept.last.layers[i].expert_counts);
        EXPECT_EQ(again.last.layers[i].elements, kept.last.layers[i].elements);
        EXPECT_EQ(again.last.layers[i].largest_logit, kept.last.layers[i].largest_logit);
      }
    }
  }
}

TEST_P(StepBits, NeitherMicroBatchesNorThreadsShowInMuon) {
  const OptimizerOptions muon{.kind = OptimizerKind::muon};
  const Result whole = run(GetParam(), {.micro_rows = kRows}, 3, 2, muon);
  EXPECT_NE(whole.hash, run(GetParam(), {.micro_rows = kRows}).hash);
  for (int threads : {1, 3, 5})
    EXPECT_EQ(run(GetParam(), {.micro_rows = threads == 3 ? 1 : kRows}, 3, threads, muon).hash, whole.hash) << threads;
}

TEST_P(StepBits, ACheckpointContinuesToTheSameBits) {
  for (const OptimizerKind kind : {OptimizerKind::adamw, OptimizerKind::muon}) {
    const OptimizerOptions options{.kind = kind};
    const StepOptions step_options{.length = kLength, .micro_rows = kRows};
    const test::TempDir dir;
    const auto fresh = [&] {
      return std::make_unique<DeepseekV3>(config(), DeepseekV3::Options{.dtype = GetParam(), .trainable = true});
    };
    const auto model = fresh(), again = fresh();
    model->initialise(1);
    Optimizer optimizer(model->parameters(), options), resumed(again->parameters(), options);
    TrainStep step(*model, optimizer, step_options), resumed_step(*again, resumed, step_options);
    (void)train_steps(step, 0, 2);
    TrainState state;
    state.step = 2, state.profile = "x1";
    const auto checkpoint = save_checkpoint(dir.path(), *model, optimizer, state, {}, {});
    (void)train_steps(step, 2, 4);
    load_checkpoint(checkpoint, *again, resumed);
    (void)train_steps(resumed_step, 2, 4);
    EXPECT_EQ(weights_hash(*again), weights_hash(*model));
    // A checkpoint of the other optimizer lacks what this one needs, and says so.
    const auto other = fresh();
    Optimizer wrong(other->parameters(),
                    {.kind = kind == OptimizerKind::adamw ? OptimizerKind::muon : OptimizerKind::adamw});
    EXPECT_NE(test::error_of([&] { load_checkpoint(checkpoint, *other, wrong); }).find("optimizer"), std::string::npos);
  }
}

TEST_P(StepBits, ShardsAreTheirOwnBitsWhateverTheMicroBatches) {
  const Result one = run(GetParam(), {.micro_rows = kRows, .grad_shards = 1});
  for (int64_t shards : {2, 4}) {
    const Result a = run(GetParam(), {.micro_rows = kRows, .grad_shards = shards});
    const Result b = run(GetParam(), {.micro_rows = 1, .grad_shards = shards});
    EXPECT_EQ(a.hash, b.hash) << shards << " shards";
    EXPECT_NEAR(a.last.total, one.last.total, 1e-4);
    EXPECT_NEAR(a.last.grad_norm, one.last.grad_norm, 1e-3 * one.last.grad_norm);
  }
}

INSTANTIATE_TEST_SUITE_P(All, StepBits, testing::Values(DType::f32, DType::bf16),
                         [](const auto& info) { return std::string(dtype_name(info.param)); });

TEST(Step, GradientNormsOfLayersAddUpToTheWhole) {
  const Result one = run(DType::bf16, {.micro_rows = kRows}, 2);
  ASSERT_EQ(one.last.layer_grad_norms.size(), 5u);  // embedding, two layers, MTP, head
  double sum = 0;
  for (double norm : one.last.layer_grad_norms) sum += norm * norm;
  EXPECT_NEAR(std::sqrt(sum), one.last.grad_norm, 1e-12 * one.last.grad_norm);
  ASSERT_EQ(one.last.layer_updates.size(), 5u);
  for (double update : one.last.layer_updates) {  // lr 1e-2 against initial values of 0.006 to 0.02
    EXPECT_GT(update, 0.05);
    EXPECT_LT(update, 2);
  }
}

TEST(Step, WithoutDocumentMaskTheRowIsOneDocument) {
  const Result masked = run(DType::f32, {.micro_rows = kRows, .document_mask = true}, 1);
  const Result whole = run(DType::f32, {.micro_rows = kRows, .document_mask = false}, 1);
  EXPECT_EQ(whole.last.targets, kRows * kLength);
  EXPECT_EQ(masked.last.targets, kRows * (kLength - 1));
  EXPECT_EQ(whole.last.sequence_lengths, std::vector<int64_t>(kRows, kLength));
  EXPECT_NE(masked.hash, whole.hash);
}

TEST(Step, RefusesImpossibleOptions) {
  EXPECT_THROW(check_step_options({.grad_shards = 3}, 6), Error);
  EXPECT_THROW(check_step_options({.grad_shards = 4}, 6), Error);
  EXPECT_THROW(check_step_options({.length = 0}, 6), Error);
  EXPECT_NO_THROW(check_step_options({.grad_shards = 2}, 6));
}

/// Optimizer and recomputation.
class MemoryPlanOf : public testing::TestWithParam<std::tuple<const char*, const char*>> {};

TEST_P(MemoryPlanOf, CountsWhatAStepReallyTakes) {
  Recipe recipe;
  recipe.optimizer = std::get<0>(GetParam()), recipe.recompute = std::get<1>(GetParam());
  recipe.batch_rows = 64;  // so many that what is kept of the forward shows
  recipe.length = kLength;
  DeepseekV3Config c = config();
  c.d_model = 256, c.d_ff = 512, c.vocab_size = 4000;
  const MemoryPlan plan = plan_memory(c, recipe);
  trim_memory();
  reset_memory_peaks();
  const int64_t before = memory_held().now;
  DeepseekV3 model(c, {.dtype = DType::bf16, .trainable = true});
  model.initialise(1);
  Optimizer optimizer(model.parameters(), recipe.optimizer_options());
  TrainStep step(model, optimizer, recipe.step_options());
  const std::vector<int32_t> documents(static_cast<size_t>(recipe.batch_rows * (kLength + 1)), 1);
  for (int64_t s = 1; s <= 2; ++s) {
    const Philox random(3, Purpose::test, static_cast<uint64_t>(s));
    std::vector<int32_t> ids;
    for (uint64_t i = 0; i < documents.size(); ++i) ids.push_back(static_cast<int32_t>(random.below(4000, i)));
    StepResult r = step.gradients(ids, documents, recipe.batch_rows);
    step.apply(r, 1e-3, s);
  }
  const double measured = static_cast<double>(memory_held().peak - before);
  // The plan validates besides and assumes an even load of the experts.
  EXPECT_LE(measured, static_cast<double>(plan.tensors())) << plan_text(plan);
  EXPECT_GE(measured, 0.93 * static_cast<double>(plan.tensors())) << plan_text(plan);
  EXPECT_GT(plan.bytes[static_cast<size_t>(Owner::scratch)], 0);
  EXPECT_GE(plan.program, kBufferBytes);
  EXPECT_EQ(plan.stacks, thread_count() * kStackBytes);
}

INSTANTIATE_TEST_SUITE_P(All, MemoryPlanOf,
                         testing::Combine(testing::Values("adamw", "muon"),
                                          testing::Values("none", "selective", "blocks")),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param)) + "_" + std::get<1>(info.param);
                         });

TEST(MemoryPlan, MuonKeepsOneStateInsteadOfTwo) {
  Recipe recipe;
  recipe.batch_rows = 1, recipe.length = kLength;
  DeepseekV3Config c = config();
  c.d_model = 256, c.d_ff = 2048;
  const auto optimizer_bytes = [&](const char* name) {
    recipe.optimizer = name;
    return plan_memory(c, recipe).bytes[static_cast<size_t>(Owner::optimizer)];
  };
  // All matrices but embedding, head and router.
  DeepseekV3 model(c, {.dtype = DType::bf16, .trainable = true});
  int64_t elements = 0;
  for (const Parameter* p : model.parameters())
    if (muon_takes(*p)) elements += p->value.size();
  EXPECT_NEAR(static_cast<double>(optimizer_bytes("adamw") - optimizer_bytes("muon")),
              4.0 * static_cast<double>(elements),
              0.1 * 4.0 * static_cast<double>(elements));  // blocks are rounded up
}

TEST(MemoryPlan, AnAverageTakesFourBytesAParameter) {
  Recipe recipe;
  recipe.batch_rows = 1, recipe.length = kLength;
  DeepseekV3Config c = config();
  c.d_model = 256, c.d_ff = 2048;
  const auto optimizer_bytes = [&](double decay) {
    recipe.ema_decay = decay;
    return static_cast<double>(plan_memory(c, recipe).bytes[static_cast<size_t>(Owner::optimizer)]);
  };
  const double expected = 4.0 * static_cast<double>(count_parameters(c).total());
  EXPECT_NEAR(optimizer_bytes(0.99) - optimizer_bytes(0), expected, 0.05 * expected);
}

TEST(MemoryPlan, OfARampIsThatOfItsLargestSteps) {
  Recipe recipe;
  const Resident program{.anonymous = int64_t{1} << 20, .file = int64_t{1} << 20};  // of all plans that are compared
  recipe.length = 512;  // blocks of another size show in a total of whole huge pages
  recipe.batch_rows = 16, recipe.micro_rows = 2;
  const MemoryPlan constant = plan_memory(config(), recipe, program);
  recipe.micro_rows = 0, recipe.batch_rows_start = 2, recipe.batch_ramp_tokens = 16000;
  EXPECT_EQ(plan_memory(config(), recipe, program).bytes, constant.bytes) << "forwards of the unit's rows";
  recipe.micro_rows = 5;  // and of 1, 2, 3 and 4: their blocks are kept besides
  const MemoryPlan uneven = plan_memory(config(), recipe, program);
  recipe.batch_rows_start = recipe.batch_ramp_tokens = 0;
  EXPECT_GT(uneven.total, plan_memory(config(), recipe, program).total);
}

TEST(MemoryPlan, RefusesAndSaysWhatFits) {
  Recipe recipe;
  recipe.batch_rows = 64;
  recipe.length = 1024;  // one row more takes more than a huge page
  const Resident program{.anonymous = int64_t{1} << 20, .file = int64_t{1} << 20};
  const MemoryPlan plan = plan_memory(config(), recipe, program);
  recipe.micro_rows = 1;
  const MemoryPlan least = plan_memory(config(), recipe, program);
  recipe.micro_rows = 0;
  recipe.recompute = "none";
  EXPECT_LT(least.total, plan.total);
  const auto refusal = [&](int64_t limit) {
    return test::error_of([&] { require_memory(limit, config(), recipe, program); });
  };
  EXPECT_EQ(require_memory(plan.total, config(), recipe, program).total, plan.total);
  EXPECT_NE(refusal(plan.total - 1).find("micro_rows="), std::string::npos);
  EXPECT_NE(refusal(least.total).find("micro_rows=1 "), std::string::npos);
  EXPECT_NE(refusal(least.total - 1).find("not even one row"), std::string::npos);
}

TEST(MemoryPlan, RecomputesTheLeastThatFits) {
  Recipe recipe;
  recipe.batch_rows = 64;
  recipe.length = 64;
  const Resident program{.anonymous = int64_t{1} << 20, .file = int64_t{1} << 20};
  std::vector<int64_t> totals;
  for (const char* kind : {"none", "selective", "blocks"}) {
    recipe.recompute = kind;
    totals.push_back(plan_memory(config(), recipe, program).total);
  }
  EXPECT_LT(totals[1], totals[0]);
  EXPECT_LT(totals[2], totals[1]);
  recipe.recompute = "auto";
  const auto chosen = [&](int64_t limit) { return require_memory(limit, config(), recipe, program).recompute; };
  EXPECT_EQ(chosen(totals[0]), Recompute::none);
  EXPECT_EQ(chosen(totals[0] - 1), Recompute::selective);
  EXPECT_EQ(chosen(totals[1] - 1), Recompute::blocks);
  EXPECT_NE(test::error_of([&] { chosen(totals[2] - 1); }).find("micro_rows="), std::string::npos);
}

TEST(MemoryPlan, SmallTrainsIn24GiB) {
  ResolvedRecipe small = load_recipe(NURI_SOURCE_DIR "/recipes/small/recipe.toml", {"batch_rows=1", "length=1024"});
  const Recipe& recipe = small.recipe;
  ASSERT_EQ(recipe.recompute, "auto");
  ASSERT_GT(count_parameters(small.model).total(), int64_t{880} << 20);
  const Resident program{.anonymous = int64_t{16} << 20, .file = int64_t{16} << 20};
  const auto planned = [&](int64_t limit) { return require_memory(limit, small.model, recipe, program); };
  const int64_t gib = int64_t{1} << 30;
  const MemoryPlan plan = planned(24 * gib);
  EXPECT_LE(plan.total, 24 * gib);
  EXPECT_GT(plan.total, 12 * gib);  // masters, two moments: 12 bytes a parameter; gradients and what products read
  EXPECT_EQ(plan.recompute, Recompute::none) << plan_text(plan);
  // With less --memory it recomputes as much as it must, by itself, and says so.
  Recipe least = recipe;
  least.save = "foreground", least.recompute = "none";
  const int64_t limit = plan_memory(small.model, least, program).total - 1;
  const MemoryPlan less = planned(limit);
  EXPECT_LE(less.total, limit);
  EXPECT_NE(less.recompute, Recompute::none);
  EXPECT_NE(plan_text(less).find("recompute = "), std::string::npos);
}

TEST(MemoryPlan, KnowsWhatTheProgramHolds) {
  trim_memory();
  const int64_t before = program_resident().anonymous, mebibyte = 1 << 20;
  const auto grown = [&] { return (program_resident().anonymous - before) / mebibyte; };
  // Systems with many cores count resident pages some megabytes inexactly.
  const std::vector<char> held(static_cast<size_t>(128 * mebibyte), 1);
  EXPECT_NEAR(static_cast<double>(grown()), 128, 32);
  const Tensor tensor = Tensor::zeros({128 * mebibyte}, DType::u8);
  EXPECT_NEAR(static_cast<double>(grown()), 128, 32) << "tensors are counted elsewhere";
}

TEST(MemoryPlan, RefusesHugeStepsWithoutCountingThemOut) {
  Recipe recipe;
  recipe.batch_rows = 1000;
  recipe.length = 10'000;
  const std::string error = test::error_of([&] { require_memory(int64_t{1} << 26, config(), recipe); });
  EXPECT_NE(error.find("at least"), std::string::npos) << error;  // a lower bound was enough
  recipe.length = 1 << 24;
  EXPECT_NE(test::error_of([&] { recipe.validate(); }).find("lower one"), std::string::npos);
}

TEST(MemoryPlan, OfManyForwardsIsThatOfTwo) {
  Recipe recipe;
  recipe.length = 32;
  recipe.micro_rows = 2;
  recipe.batch_rows = 4;
  const MemoryPlan two = plan_memory(config(), recipe);
  recipe.batch_rows = 32;
  EXPECT_EQ(plan_memory(config(), recipe).bytes, two.bytes);
}

TEST(ParseBytes, ReadsSizes) {
  EXPECT_EQ(parse_bytes("16G"), int64_t{16} << 30);
  EXPECT_EQ(parse_bytes("1.5 GiB"), int64_t{3} << 29);
  EXPECT_EQ(parse_bytes("512MB"), int64_t{512} << 20);
  EXPECT_EQ(parse_bytes("1000"), 1000);
  for (const char* bad : {"", "G", "-1G", "12X", "nan", "1e30G"}) EXPECT_THROW(parse_bytes(bad), Error) << bad;
}

}  // namespace
}  // namespace nuri
