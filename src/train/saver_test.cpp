// Checkpoints beside the run: what is written is the state that was copied, and errors come out at the next look.
#include "train/saver.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>

#include "arch/arch_test_support.h"
#include "base/file.h"
#include "base/test_support.h"
#include "io/checkpoint.h"

namespace nuri {
namespace {

namespace fs = std::filesystem;

/// All files below a directory and what is in them.
std::map<std::string, std::string> contents(const fs::path& directory) {
  std::map<std::string, std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) out[fs::relative(entry.path(), directory).string()] = read_file(entry.path());
  return out;
}

struct Trained {
  DeepseekV3 model;
  Optimizer optimizer;
  ResolvedRecipe recipe;
  Trained(DType dtype, double ema_decay)
      : model(test::tiny_config(), {.dtype = dtype, .trainable = true}),
        optimizer((model.initialise(3), make_optimizer(model, {.ema_decay = ema_decay}))) {
    if (optimizer.ema()) optimizer.ema()->update(1);
  }
  /// As a step would: every master, what is made of it, and every moment.
  void change() {
    for (Parameter* p : model.parameters()) p->master.data<float>()[0] += 1;
    for (const Optimizer::State& s : optimizer.states()) s.tensor.data<float>()[0] += 1;
    model.refresh();
  }
};

TEST(Snapshot, CopiesAreWrittenAsTheStateWas) {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const double ema_decay : {0.0, 0.9}) {
      Trained t(dtype, ema_decay);
      TrainState state;
      state.step = 5, state.profile = "x1";
      const test::TempDir now, later;
      const fs::path expected = save_checkpoint(now.path(), t.model, t.optimizer, state, t.recipe, {});
      const Snapshot copy = take_snapshot(t.model, t.optimizer, state, t.recipe, {}, SnapshotOf::copies);
      t.change();
      const fs::path written = write_snapshot(later.path(), copy);
      EXPECT_EQ(contents(written), contents(expected));
      EXPECT_EQ(fs::is_directory(written / kEmaDirectory), ema_decay > 0);
    }
}

TEST(Saver, OneCheckpointAtATimeAndOlderOnesGoWhenItIsWhole) {
  Trained t(DType::bf16, 0);
  t.recipe.recipe.keep_last = 1;
  const test::TempDir dir;
  LogWriter log(dir.path() / "log.jsonl", 0);
  Chain chain(dir.path(), 0, {{"seed", "0"}});
  Saver saver({t.model, t.optimizer, t.recipe, dir.path(), {}, log, chain});
  TrainState state;
  state.profile = "x1";
  for (state.step = 1; state.step <= 3; ++state.step)
    saver.save(state, state.step < 3 ? SaveKind::beside : SaveKind::last);
  EXPECT_EQ(saver.saves(), 3);
  const auto left = list_checkpoints(dir.path() / "checkpoints");
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].step, 3);
  EXPECT_TRUE(fs::exists(dir.path() / "model.safetensors"));
  // The chain has a row for each checkpoint, also of those that are gone.
  const std::vector<ChainRow> links = read_chain(dir.path());
  ASSERT_EQ(links.size(), 4u);
  EXPECT_EQ(links[3].facts, checkpoint_facts(left[0].directory));
  for (size_t i = 0; i < links.size(); ++i)
    EXPECT_EQ(links[i].link, chain_link(i == 0 ? "" : links[i - 1].link, links[i]));
  const RunLog rows = read_log(dir.path() / "log.jsonl");
  ASSERT_EQ(rows.saves.size(), 3u);
  EXPECT_EQ(saver.longest_stall(), std::max(rows.saves[0].stall_seconds, rows.saves[1].stall_seconds));
  EXPECT_GE(saver.end_seconds(), rows.saves[2].write_seconds);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(rows.saves[i].step, static_cast<int64_t>(i + 1));
    EXPECT_EQ(rows.saves[i].background, i < 2);
    EXPECT_GT(rows.saves[i].write_seconds, 0);
    EXPECT_GT(rows.saves[i].bytes, 0);
    // The last one keeps no step waiting.
    EXPECT_EQ(rows.saves[i].last, i == 2);
    EXPECT_EQ(rows.saves[i].stall_seconds > 0, i < 2);
    EXPECT_EQ(rows.saves[i].end_seconds, i < 2 ? 0 : saver.end_seconds());
  }
}

TEST(Saver, AnErrorOfTheDiskComesOutAtTheNextLook) {
  Trained t(DType::f32, 0);
  const test::TempDir dir;
  LogWriter log(dir.path() / "log.jsonl", 0);
  Chain chain(dir.path(), 0, {{"seed", "0"}});
  Saver saver({t.model, t.optimizer, t.recipe, dir.path(), {}, log, chain});
  write_file_atomic(dir.path() / "checkpoints", "a file where the directory should be");
  TrainState state;
  state.step = 1, state.profile = "x1";
  saver.save(state, SaveKind::beside);
  EXPECT_NE(test::error_of([&] { saver.finish(); }).find("checkpoints"), std::string::npos);
  saver.settle();  // nothing is under way any more
  EXPECT_EQ(saver.saves(), 0);
}

TEST(BackgroundSave, FinishWaitsAndThrowsOnce) {
  std::atomic<bool> go{false};
  BackgroundSave save;
  save.finish();
  save.start([&] {
    while (!go) std::this_thread::yield();
    fail("no room");
  });
  EXPECT_TRUE(save.started());
  EXPECT_FALSE(save.ended());
  go = true;
  EXPECT_EQ(test::error_of([&] { save.finish(); }), "no room");
  EXPECT_FALSE(save.started());
  save.finish();
}

}  // namespace
}  // namespace nuri
