// What every run has, whatever it learns from: its directory with lock, record, log and checkpoints, its model and
// optimizer, and the memory they were planned to take.
//
// OUT/ is a model directory once the run saved: config.json, model.safetensors, tokenizer files; so is OUT/ema/, the
// average of the weights, with ema_decay. Beside them:
// checkpoints/step-N (whole directories with trainer/), recipe.toml, run.json, log.jsonl, report.html, run.lock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/run_lock.h"
#include "ledger/run_record.h"
#include "train/chain.h"
#include "train/live_report.h"
#include "train/memory_plan.h"
#include "train/metrics.h"
#include "train/recipe.h"
#include "train/run_data.h"
#include "train/saver.h"
#include "train/weights.h"

namespace nuri {

/// What a plan made beforehand says of a run; zeros: there is none.
struct PlannedRun {
  double tokens = 0, flops = 0, seconds = 0, energy_wh = 0, usd = 0;
};

struct TrainOptions {
  ResolvedRecipe recipe;
  std::filesystem::path out;
  bool resume = false;                  ///< continue where the newest checkpoint ends; start where there is none
  std::optional<int64_t> memory_limit;  ///< bytes; default: what the process may use
  /// Measures the peak of products, for MFU, and returns the best so far: asked at the start, as the run becomes twice
  /// as old, and at the end, since other guests of a machine take their share for seconds. Empty: no MFU is shown.
  std::function<double()> peak_gflops;
  std::string level;  ///< of the kernels, for the record
  std::vector<std::string> command;
  PlannedRun planned;
  bool quiet = false;
  int64_t stop_after = 0;  ///< steps of this process, after which it stops as by a signal; 0: never
};

/// What any run says at its end.
struct RunSummary {
  std::string outcome;  ///< "finished" or "stopped" (by a signal, saved)
  int64_t steps = 0, total_steps = 0, tokens = 0;
  double flops = 0, seconds = 0;        ///< of this process
  double tokens_per_s = 0;              ///< median over the steps of this process
  double mfu = 0;                       ///< of the same; 0 where the peak is not known
  int64_t memory_planned = 0;           ///< anonymous memory, MemoryPlan::total
  int64_t memory_anonymous = 0;         ///< the same, measured after each step
  int64_t memory_peak = 0;              ///< resident, mapped files included, measured
  int64_t saves = 0;                    ///< of this process
  double longest_stall = 0;             ///< seconds that a save kept the steps waiting
  double last_save = 0;                 ///< seconds for the save at the end, which no step waits for
  std::string weights_hash;             ///< of the final weights (see weights_hash())
  std::map<std::string, int64_t> data;  ///< RunData::counts
};

/// What a run holds beside what the plan of its recipe counts, bytes.
struct BesideRecipe {
  int64_t weights = 0, cache = 0;
  int64_t kept = 0;  ///< copied for a checkpoint in the background (keep())
};

class Session {
 public:
  /// Keeps references to all of them.
  Session(const TrainOptions& options, const RunData& data, RunSummary& summary);
  ~Session();

  /// Plans, takes the directory and builds the model. Errors: too little memory, another process in OUT.
  const MemoryPlan& prepare(const BesideRecipe& extra = {});
  /// More that checkpoints hold and resuming brings back, before begin().
  void keep(std::vector<NamedTensor> tensors) { kept_ = std::move(tensors); }
  /// Where a run starts: fills what keep() was given, once the model has its first weights.
  using Started = std::function<void()>;
  /// Starts, or resumes from the newest checkpoint. rows_after(step): rows seen by then, where the recipe decides that
  /// and state.json must say the same. Errors: a finished run; a run there without --resume; other data; keys that
  /// change the bits; no room on the disk.
  void begin(const Started& started = {}, const std::function<int64_t(int64_t)>& rows_after = {});

  /// Saves the state. goes_on: steps of this process follow, and go on meanwhile where the plan has room for a copy.
  /// What SIGUSR1 asked for until now is this checkpoint.
  void save(bool finished, bool goes_on);
  /// Between steps: takes up a checkpoint that became whole beside them, and writes the report that SIGUSR1 asked for
  /// with it.
  void look_after_save(LiveLine& live);
  /// Whether SIGUSR1 asks for a checkpoint now: while one is being written, it comes after that.
  bool save_asked(LiveLine& live);
  /// Whether a signal asked to stop while the run was begun: then no step is made, and the outcome is "stopped".
  bool stopped_before_steps();
  bool every(int64_t n) const { return n > 0 && state.step % n == 0; }
  void note_memory();
  /// After a step: its row, and warnings about layers, into log and live line; record and summary follow.
  void count(const StepRow& row, LiveLine& live);
  /// Rewrites report.html of a run that goes on where it is time (ReportTimes), from the record and kLiveRows of the
  /// log; not while a checkpoint is being written, for whose disk it would wait. event: a validation or a save was just
  /// made. A page that cannot be written is no reason to end a run: standard error says it once.
  void report(bool event);
  /// Closes the record; results and hashes are in it already. Writes the report.
  void finish();
  /// Runs the steps, with a report from the first one on. Where they end with an error, record and report say that the
  /// run failed and why, and a checkpoint under way is waited for; the error goes on.
  void watch(const std::function<void()>& steps);
  std::filesystem::path checkpoints() const { return options_.out / "checkpoints"; }

  TrainState state;
  DeepseekV3& model() { return *model_; }
  Optimizer& optimizer() { return *optimizer_; }
  TrainStep& step() { return *step_; }
  LogWriter& log() { return *log_; }
  Saver& saver() { return *saver_; }
  RunRecord& record() { return record_->record(); }
  double peak_gflops() const { return peak_gflops_; }  ///< the best measured so far; 0: not known
  /// Of the last step, whichever process made it.
  double last_loss() const { return last_loss_; }

 private:
  void resume(const std::filesystem::path& checkpoint, const std::function<int64_t(int64_t)>& rows_after);
  void initialise();
  void check_same_recipe(const std::filesystem::path& checkpoint);
  void begin_record();
  void note_checkpoints();
  /// The page of a run that goes on; false, and said once, where it cannot be written.
  bool draw_report();
  /// Measures the peak again where it is time.
  void look_at_peak(LiveLine& live);
  void begin_chain(const std::filesystem::path& resumed_from);
  int64_t n_groups() const { return model_->n_blocks() + 2; }

  const TrainOptions& options_;
  const Recipe& recipe_;
  const RunData& data_;
  RunSummary& summary_;
  double peak_gflops_ = 0;  // 0: not known
  MemoryPlan plan_;
  std::optional<RunLock> lock_;
  std::unique_ptr<DeepseekV3> model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<TrainStep> step_;
  std::vector<NamedTensor> kept_;
  double last_loss_ = 0;
  bool report_asked_ = false, told_to_wait_ = false;    // by SIGUSR1; that its checkpoint comes later
  bool report_event_ = false, told_of_report_ = false;  // since the last page; that it cannot be written
  double begun_ = 0, next_look_ = 0;                    // the clock; when the peak is measured again
  std::unique_ptr<RunFile> record_;
  std::unique_ptr<LogWriter> log_;
  std::unique_ptr<Chain> chain_;
  std::unique_ptr<Saver> saver_;  // after the chain: a checkpoint under way ends before it
  OutlierWatch outliers_;
  ReportTimes report_times_;
  std::string initial_hash_;                  // of a run that begins as another model
  std::vector<double> per_token_, per_flop_;  // seconds of each step
};

/// SHA-256 of a recipe's keys and values: without comments, where they come from, and places on this machine.
std::string recipe_sha256(const std::string& recipe_text);

}  // namespace nuri
