#include "train/saver.h"

#include <algorithm>
#include <cstdio>

#include "base/clock.h"
#include "base/error.h"
#include "io/checkpoint.h"

namespace nuri {

void Saver::save(const TrainState& state, SaveKind kind) {
  const double begin = seconds_now();
  const bool background = kind == SaveKind::beside;
  finish(kind);
  snapshot_ = take_snapshot(run_.model, run_.optimizer, state, run_.recipe, run_.tokenizer_dir,
                            background ? SnapshotOf::copies : SnapshotOf::live, run_.kept);
  row_ = {.step = state.step,
          .background = background,
          .last = kind == SaveKind::last,
          .bytes = static_cast<int64_t>(snapshot_->bytes())};
  const auto write = [this] {
    const double start = seconds_now();
    saved_ = write_snapshot(checkpoints(), *snapshot_);
    facts_ = checkpoint_facts(saved_);
    row_.write_seconds = seconds_now() - start;
  };
  if (background)
    writer_.start(write);
  else
    write();
  (row_.last ? row_.end_seconds : row_.stall_seconds) = seconds_now() - begin;
  if (!background) finish(kind);
}

void Saver::finish(SaveKind next) {
  if (!snapshot_) return;
  const double begin = seconds_now();
  writer_.finish();
  KeepPolicy keep{run_.recipe.recipe.keep_last, run_.recipe.recipe.keep_every, std::nullopt};
  const Recipe& recipe = run_.recipe.recipe;
  if ((recipe.keep_best || recipe.publish == "best") && snapshot_->state.best_step > 0)
    keep.best = snapshot_->state.best_step;
  run_.chain.add(snapshot_->state.step, std::move(facts_));
  snapshot_.reset();
  prune_checkpoints(checkpoints(), keep);
  publish_run(saved_, run_.out);
  if (const double seconds = seconds_now() - begin; row_.last)
    row_.end_seconds += seconds;
  else if (next != SaveKind::last)
    row_.stall_seconds += seconds;
  run_.log.write(row_);
  ++saves_;
  longest_stall_ = std::max(longest_stall_, row_.stall_seconds);
  end_seconds_ = row_.end_seconds;
}

void Saver::settle() {
  if (!writer_.started()) return;
  try {
    finish();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "nuri: the checkpoint of step %lld was not saved: %s\n", static_cast<long long>(row_.step),
                 e.what());
  }
}

void publish_run(const std::filesystem::path& checkpoint, const std::filesystem::path& out) {
  publish_model(checkpoint, out);
  if (std::filesystem::is_directory(checkpoint / kEmaDirectory))
    publish_model(checkpoint / kEmaDirectory, out / kEmaDirectory);
}

}  // namespace nuri
