#include "plan/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/test_support.h"

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

/// The passes of a slot: whether backward, and which micro-batch in which direction.
struct Pass {
  bool backward;
  int64_t micro, direction;
};
std::vector<Pass> passes_of(const PipelineSlot& s) {
  if (s.op == PipelineOp::weight) return {};
  if (s.op == PipelineOp::both) return {{false, s.micro, s.chunk}, {true, s.beside, 1 - s.chunk}};
  return {{s.op == PipelineOp::backward, s.micro, s.chunk}};
}

TEST(Schedule, DualPipeDoesEverythingOnceAndInOrder) {
  for (const int64_t p : {2, 4, 8, 16})
    for (const int64_t micros : {2 * p, 2 * p + 2, 3 * p, 5 * p + 4}) {
      const ChunkTime time{1, 2.5, 1.125};
      const PipelineRun run = simulate(Schedule::dualpipe, p, 1, micros, time);
      // When a pass of a micro-batch on a rank ended; 0 where it has not run.
      std::vector<double> ended(static_cast<size_t>(2 * micros * p)), free(static_cast<size_t>(p)), busy = free;
      std::vector<int64_t> weights(static_cast<size_t>(p)), pairs = weights;
      const auto end_of = [&](bool backward, int64_t micro, int64_t rank) -> double& {
        return ended[static_cast<size_t>(((backward ? micros : 0) + micro) * p + rank)];
      };
      double last = 0;
      for (const PipelineSlot& s : run.slots) {
        const auto rank = static_cast<size_t>(s.stage);
        EXPECT_GE(s.start, last);
        EXPECT_GE(s.start, free[rank] - 1e-12);
        last = s.start;
        free[rank] = s.end;
        busy[rank] += s.end - s.start;
        for (const Pass& pass : passes_of(s)) {
          EXPECT_EQ(pass.direction, pass.micro < micros / 2 ? 0 : 1);
          const int64_t before = s.stage + ((pass.direction == 0) == pass.backward ? 1 : -1);
          if (before >= 0 && before < p) {
            EXPECT_GT(end_of(pass.backward, pass.micro, before), 0);
            EXPECT_GE(s.start, end_of(pass.backward, pass.micro, before));
          }
          if (pass.backward) {
            EXPECT_GT(end_of(false, pass.micro, s.stage), 0);
            EXPECT_GE(s.start, end_of(false, pass.micro, s.stage));
          }
          double& end = end_of(pass.backward, pass.micro, s.stage);
          EXPECT_EQ(end, 0) << "twice";
          end = s.end;
        }
        if (s.op == PipelineOp::both) ++pairs[rank];
        if (s.op != PipelineOp::weight) continue;
        ++weights[rank];
        EXPECT_GT(end_of(true, s.micro, s.stage), 0);
        EXPECT_GE(s.start, end_of(true, s.micro, s.stage));
      }
      EXPECT_EQ(std::count(ended.begin(), ended.end(), 0), 0) << p << " ranks, " << micros;
      for (int64_t r = 0; r < p; ++r) {
        const auto rank = static_cast<size_t>(r);
        const int64_t inner = p / 2 - 1 - std::min(r, p - 1 - r);
        EXPECT_NEAR(busy[rank], static_cast<double>(micros) * 3.5, 1e-9);
        EXPECT_EQ(weights[rank], p / 2 + inner);
        EXPECT_EQ(pairs[rank], micros - p - inner - (inner == 0 ? 1 : 0));
      }
      EXPECT_EQ(run.in_flight, p + 1);
    }
}

TEST(Schedule, DualPipeWaitsAsPublished) {
  for (const int64_t stages : {2, 4, 8, 16})
    for (const int64_t micros : {2 * stages, 2 * stages + 2, 8 * stages}) {
      const double simulated = simulate(Schedule::dualpipe, stages, 1, micros, kEven).idle;
      EXPECT_NEAR(simulated, static_cast<double>(stages) - 2, 1e-9) << stages;
      EXPECT_NEAR(simulated, idle_by_formula(Schedule::dualpipe, stages, kEven), 1e-9) << stages;
    }
}

TEST(Schedule, DualPipeWaitsForTheSlowerPass) {
  for (const int64_t stages : {2, 4, 8, 16, 32})
    for (const double backward : {0.6, 1.6, 2.2, 2.6, 3.0, 6.0}) {
      const ChunkTime time{1, backward, backward / 2};
      const double simulated = simulate(Schedule::dualpipe, stages, 1, 2 * stages, time).idle;
      EXPECT_NEAR(simulated, idle_by_formula(Schedule::dualpipe, stages, time), 1e-9)
          << stages << " stages, backward " << backward;
    }
}

TEST(Schedule, DualPipeRefusalsNameTheNearest) {
  const auto message = [](int64_t stages, int64_t chunks, int64_t micros) {
    return test::error_of([&] { simulate(Schedule::dualpipe, stages, chunks, micros, kEven); });
  };
  EXPECT_NE(message(5, 1, 20).find("found 5; the nearest that works is 6"), std::string::npos);
  EXPECT_NE(message(1, 1, 20).find("found 1; the nearest that works is 2"), std::string::npos);
  EXPECT_NE(message(0, 1, 20).find("found 0; the nearest that works is 2"), std::string::npos);
  EXPECT_NE(message(4, 1, 9).find("found 9; the nearest that works is 10"), std::string::npos);
  EXPECT_NE(message(4, 1, 6).find("found 6; the nearest that works is 8"), std::string::npos);
  EXPECT_NE(message(4, 1, 0).find("found 0; the nearest that works is 8"), std::string::npos);
  EXPECT_NE(message(4, 2, 8).find("dualpipe has one chunk"), std::string::npos);
}

TEST(Schedule, RefusesWhatItCannotSimulate) {
  EXPECT_THROW(simulate(Schedule::interleaved, 4, 2, 9, kEven), Error);
  EXPECT_THROW(simulate(Schedule::zero_bubble, 4, 2, 8, kEven), Error);
}

TEST(Schedule, IsDrawnStageByStage) {
  const PipelineRun run = simulate(Schedule::one_f_one_b, 2, 1, 2, {1, 1, 0});
  EXPECT_EQ(draw(run, 2, 6), "  0 FF.B.B\n  1 .FBFB.\n");
  const PipelineRun dual = simulate(Schedule::dualpipe, 2, 1, 4, kEven);
  EXPECT_EQ(draw(dual, 2, 12), "  0 FFFBB&&&BBBW\n  1 FFFBB&&&BBBW\n");
}

}  // namespace
}  // namespace nuri::plan
