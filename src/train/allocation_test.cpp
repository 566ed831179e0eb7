// After its first steps a step takes no memory from the system: every tensor and all scratch lie in blocks that the
// steps before left free. Counted by what `nuri profile` shows as fresh.
#include <gtest/gtest.h>

#include "arch/arch_test_support.h"
#include "base/philox.h"
#include "base/profile.h"
#include "base/threads.h"
#include "tensor/memory.h"
#include "train/step.h"

namespace nuri {
namespace {

constexpr int64_t kRows = 4, kLength = 40, kWarmUp = 2, kRecorded = 3;

struct Case {
  const char* name;
  DType dtype = DType::bf16;
  OptimizerKind optimizer = OptimizerKind::adamw;
  Recompute recompute = Recompute::none;
  MlaForm form = MlaForm::expanded;
  int64_t micro_rows = kRows;
  double ema_decay = 0;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

/// Tokens and document ends differ from step to step, and so does what each expert gets.
void take_step(TrainStep& step, int64_t s) {
  const Philox random(7, Purpose::test, static_cast<uint64_t>(s));
  std::vector<int32_t> tokens, documents;
  for (int64_t i = 0; i < kRows * (kLength + 1); ++i) {
    tokens.push_back(static_cast<int32_t>(random.below(61, static_cast<uint64_t>(i))));
    documents.push_back(i % (kLength + 1) > 3 * s + i / (kLength + 1));
  }
  StepResult result = step.gradients(tokens, documents, kRows);
  step.apply(result, 1e-2, s + 1);
}

class Allocation : public testing::TestWithParam<Case> {};

TEST_P(Allocation, AStepTakesNothingFromTheSystem) {
  const Case& c = GetParam();
  trim_memory();
  DeepseekV3Config config = test::tiny_config();
  config.n_routed_experts = 6;
  DeepseekV3 model(config, {.dtype = c.dtype, .trainable = true, .form = c.form});
  ASSERT_TRUE(model.has_mtp());
  model.initialise(1);
  Optimizer optimizer(model.parameters(), {.kind = c.optimizer, .ema_decay = c.ema_decay});
  TrainStep step(model, optimizer, {.length = kLength, .micro_rows = c.micro_rows, .recompute = c.recompute});
  profile::Recording recording;
  profile::start(thread_count(), kWarmUp, kRecorded, [&](profile::Recording r) { recording = std::move(r); });
  int64_t held = 0;
  for (int64_t s = 0; s < kWarmUp + kRecorded; ++s) {
    if (s == kWarmUp) held = memory_held().now;
    profile::step("training step");
    take_step(step, s);
  }
  profile::stop();
  ASSERT_EQ(recording.steps, kRecorded);
  int64_t taken = 0;
  for (const profile::KernelRecord& k : recording.kernels) {
    taken += k.bytes_taken;
    EXPECT_EQ(k.bytes_fresh, 0) << k.work.kernel << " " << k.work.shape << " in " << k.module;
  }
  EXPECT_GT(taken, 0);
  EXPECT_EQ(memory_held().now, held);
}

INSTANTIATE_TEST_SUITE_P(
    All, Allocation,
    testing::Values(Case{"bf16"}, Case{.name = "f32", .dtype = DType::f32},
                    Case{.name = "muon", .optimizer = OptimizerKind::muon},
                    Case{.name = "selective", .recompute = Recompute::selective},
                    Case{.name = "blocks", .recompute = Recompute::blocks},
                    Case{.name = "blocks_muon", .optimizer = OptimizerKind::muon, .recompute = Recompute::blocks},
                    Case{.name = "absorbed", .form = MlaForm::absorbed}, Case{.name = "micro_rows", .micro_rows = 1},
                    Case{.name = "average", .ema_decay = 0.9}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace nuri
