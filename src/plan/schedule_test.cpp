#include "plan/schedule.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace nuri::plan {
namespace {

constexpr ChunkTime kEven{1, 2, 1};

TEST(Schedule, OneFOneBWaitsAsItsFormulaSays) {
  for (const int64_t stages : {1, 2, 3, 8})
    for (const int64_t micros : {1, 2, 7, 16, 33}) {
      const PipelineRun run = simulate(Schedule::one_f_one_b, stages, 1, micros, {1, 2.5, 1});
      EXPECT_NEAR(run.idle, static_cast<double>(stages - 1) * 3.5, 1e-9) << stages << " stages, " << micros;
      EXPECT_EQ(run.slots.size(), static_cast<size_t>(2 * stages * micros));
      EXPECT_EQ(run.in_flight, std::min(stages, micros));
    }
}

TEST(Schedule, InterleavingDividesTheWait) {
  for (const int64_t stages : {2, 4, 8})
    for (const int64_t chunks : {2, 3, 6}) {
      const PipelineRun run = simulate(Schedule::interleaved, stages, chunks, 4 * stages, kEven);
      EXPECT_NEAR(run.idle, idle_by_formula(Schedule::interleaved, stages, kEven), 1e-9) << stages << " x " << chunks;
      EXPECT_NEAR(run.idle, static_cast<double>(stages - 1) * 3, 1e-9);  // of chunk times: 1 / chunks of a stage's
    }
}

TEST(Schedule, ZeroBubbleFillsTheWait) {
  for (const int64_t stages : {2, 4, 8}) {
    const PipelineRun run = simulate(Schedule::zero_bubble, stages, 1, 4 * stages, kEven);
    EXPECT_NEAR(run.idle, idle_by_formula(Schedule::zero_bubble, stages, kEven), 1e-9) << stages;
    EXPECT_EQ(run.slots.size(), static_cast<size_t>(3 * stages * 4 * stages));
    EXPECT_LE(run.in_flight, stages);
  }
}

TEST(Schedule, ZeroBubbleWaitsForTheSlowerPass) {
  for (const int64_t stages : {4, 8, 16})
    for (const double backward : {1.6, 2.6, 3.0}) {
      const ChunkTime time{1, backward, backward / 2};
      const double simulated = simulate(Schedule::zero_bubble, stages, 1, 4 * stages, time).idle;
      const double formula = idle_by_formula(Schedule::zero_bubble, stages, time);
      EXPECT_GE(simulated, formula * (1 - 1e-9)) << stages << " stages, backward " << backward;
      const double step = static_cast<double>(4 * stages) * (time.forward + time.backward);
      EXPECT_LE(simulated, formula + 0.025 * step) << stages << " stages, backward " << backward;
    }
}

TEST(Schedule, NothingStartsBeforeItsInput) {
  for (const Schedule schedule : {Schedule::one_f_one_b, Schedule::zero_bubble}) {
    const PipelineRun run = simulate(schedule, 5, 1, 9, {1, 3, 1.5});
    std::vector<double> forward(5 * 9), free(5);
    for (const PipelineSlot& s : run.slots) {
      EXPECT_GE(s.start, free[static_cast<size_t>(s.stage)] - 1e-12);
      free[static_cast<size_t>(s.stage)] = s.end;
      if (s.op != PipelineOp::forward) continue;
      if (s.stage > 0) {
        EXPECT_GE(s.start, forward[static_cast<size_t>((s.stage - 1) * 9 + s.micro)]);
      }
      forward[static_cast<size_t>(s.stage * 9 + s.micro)] = s.end;
    }
  }
}

TEST(Schedule, RefusesWhatItCannotSimulate) {
  EXPECT_THROW(simulate(Schedule::dualpipe, 4, 1, 8, kEven), Error);
  EXPECT_THROW(simulate(Schedule::interleaved, 4, 2, 9, kEven), Error);
  EXPECT_THROW(simulate(Schedule::zero_bubble, 4, 2, 8, kEven), Error);
}

TEST(Schedule, IsDrawnStageByStage) {
  const PipelineRun run = simulate(Schedule::one_f_one_b, 2, 1, 2, {1, 1, 0});
  EXPECT_EQ(draw(run, 2, 6), "  0 FF.B.B\n  1 .FBFB.\n");
}

}  // namespace
}  // namespace nuri::plan
