#include "train/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "base/clock.h"
#include "base/file.h"
#include "base/median.h"
#include "base/profile.h"
#include "base/x1.h"
#include "io/checkpoint.h"
#include "io/run_lock.h"
#include "ledger/run_record.h"
#include "models/init.h"
#include "models/load.h"
#include "text/same_tokens.h"
#include "train/metrics.h"
#include "train/not_finite.h"
#include "train/observe.h"
#include "train/saver.h"
#include "train/signals.h"
#include "train/state.h"

namespace nuri {
namespace {

namespace fs = std::filesystem;

constexpr const char* kInitialWeights = "initial_weights";

DeepseekV3::Options model_options(const Recipe& r) {
  return {.dtype = r.precision_kind() == Precision::bf16 ? DType::bf16 : DType::f32,
          .trainable = true,
          .with_mtp = true,
          .form = r.form()};
}

class Run {
 public:
  Run(const TrainOptions& options, TrainSource& source)
      : options_(options), recipe_(options.recipe.recipe), source_(source) {}

  TrainSummary go() {
    open_data();
    plan();
    fs::create_directories(options_.out);
    const RunLock lock(options_.out);
    clean_leftovers(checkpoints());
    build();
    start_or_resume();
    require_free_bytes(options_.out, checkpoint_bytes(*model_, *optimizer_) * 2, "two checkpoints");
    begin_record();
    try {
      loop();
    } catch (const std::exception& e) {
      if (saver_) saver_->settle();
      record_->finish("failed", e.what());
      throw;
    }
    finish();
    return summary_;
  }

 private:
  fs::path checkpoints() const { return options_.out / "checkpoints"; }

  void open_data() {
    const int64_t ids = source_.tokenizer().vocab_size(), rows = options_.recipe.model.vocab_size;
    NURI_CHECK(ids <= rows,
               "{}: its tokenizer has {} ids, config.json of the model has vocab_size {}; train a tokenizer of at most "
               "that size, or change config.json",
               source_.name(), ids, rows);
    if (recipe_.patience > 0 || publishes_best())
      NURI_CHECK(
          source_.held_out(1)->size() > 0,
          "{}: nothing is held out, so patience = {} and publish = {} have nothing to compare; hold rows out for "
          "validation, or set patience = 0 and publish = last",
          source_.name(), recipe_.patience, recipe_.publish);
    batch_ramp_ = recipe_.batch_ramp();
    total_steps_ = total_steps(recipe_, source_);
    total_tokens_ = batch_ramp_.seen_after(total_steps_) * recipe_.length;
    schedule_ = recipe_.make_schedule(total_steps_);
  }

  void plan() {
    const int64_t limit = std::min(options_.memory_limit.value_or(INT64_MAX), memory_allowed());
    NURI_CHECK(batch_bytes(recipe_) <= limit,
               "batch_rows = {} of length = {}: the ids of one step alone need {} of memory, {} are allowed; use fewer "
               "or shorter rows",
               recipe_.batch_rows, recipe_.length, bytes_text(batch_bytes(recipe_)), bytes_text(limit));
    const MemoryPlan plan = require_memory(limit, options_.recipe.model, recipe_);
    summary_.memory_planned = plan.total;
    recompute_ = plan.recompute;
    saves_copies_ = plan.saves_copies;
    if (!options_.quiet) {
      const ParameterCounts n = count_parameters(options_.recipe.model);
      const int64_t first = batch_ramp_.rows_at(0) * recipe_.length, last = recipe_.batch_rows * recipe_.length;
      fmt::print(stderr, "model: {:.2f} M parameters, {:.2f} M active; {} steps of {}{} tokens, {}, {} MLA\n",
                 static_cast<double>(n.total()) / 1e6, static_cast<double>(n.active + n.active_mtp) / 1e6, total_steps_,
                 first == last ? "" : fmt::format("{} to ", first), last, recipe_.precision, recipe_.mla_form);
      fmt::print(stderr, "memory planned (limit {}):\n{}", bytes_text(limit), plan_text(plan));
    }
  }

  void build() {
    model_ = std::make_unique<DeepseekV3>(options_.recipe.model, model_options(recipe_));
    optimizer_ = std::make_unique<Optimizer>(make_optimizer(*model_, recipe_.optimizer_options()));
    StepOptions step = recipe_.step_options();
    step.recompute = recompute_;
    step_ = std::make_unique<TrainStep>(*model_, *optimizer_, step);
  }

  void start_or_resume() {
    std::vector<std::string> skipped;
    const auto newest = latest_checkpoint(checkpoints(), &skipped);
    for (const std::string& reason : skipped) fmt::print(stderr, "passed over: {}\n", reason);
    if (!newest) {
      NURI_CHECK(options_.resume || !fs::exists(options_.out / "log.jsonl"),
                 "{}: a run was begun here and holds no checkpoint; continue it with --resume, or choose another --out",
                 options_.out.string());
      initialise();
      state_.profile = x1::kProfile;
      state_.data_manifest = source_.hash();
      state_.rows = 0;
      return;
    }
    const TrainState found = read_state(newest->directory);
    // A kill between the last checkpoint and the record of the end leaves both to be done.
    const fs::path record = options_.out / "run.json";
    const bool closed = !fs::exists(record) || read_run_record(record).outcome == "finished";
    NURI_CHECK(!found.finished || (options_.resume && !closed),
               "{}: this run is finished ({} steps); choose another --out", options_.out.string(), found.step);
    NURI_CHECK(options_.resume, "{}: a run is here, at step {}; continue it with --resume, or choose another --out",
               options_.out.string(), found.step);
    NURI_CHECK(found.profile == x1::kProfile,
               "{}: made under profile {}, this program computes under {}; other bits "
               "would come out",
               newest->directory.string(), found.profile, x1::kProfile);
    NURI_CHECK(found.data_manifest == source_.hash(),
               "{}: the run was begun on other data (manifest {}, now {}); resume with the same --data",
               newest->directory.string(), found.data_manifest, source_.hash());
    check_same_recipe(newest->directory);
    load_checkpoint(newest->directory, *model_, *optimizer_);
    publish_run(newest->directory, options_.out);
    state_ = found;
    const int64_t cursor = batch_ramp_.seen_after(found.step);
    NURI_CHECK(
        found.rows < 0 || found.rows == cursor,
        "{}: trainer/state.json says that {} rows were seen, this recipe has seen {} after step {}: the file was "
        "changed; resume from another checkpoint",
        newest->directory.string(), found.rows, cursor, found.step);
    state_.rows = cursor;
    if (!options_.quiet) fmt::print(stderr, "resumed at step {} of {}\n", state_.step, total_steps_);
  }

  void initialise() {
    model_->initialise(static_cast<uint64_t>(recipe_.seed));
    const fs::path& base = options_.recipe.init_from;
    if (base.empty()) return;
    std::vector<int32_t> base_id;
    if (fs::exists(base / "tokenizer.json")) base_id = same_tokens(source_.tokenizer(), Tokenizer::load(base));
    for (const std::string& note : init_weights(*model_, base, base_id))
      fmt::print(stderr, "{}: {}\n", base.string(), note);
    initial_hash_ = weights_hash(*model_);
  }

  void check_same_recipe(const fs::path& checkpoint) {
    // The stored recipe names config.json of its own directory.
    const ResolvedRecipe before = load_recipe(checkpoint / "trainer" / "recipe.toml", {"config=../config.json"});
    std::string changes;
    for (const std::string& change : changed_bits(before.recipe, recipe_)) changes += "\n  " + change;
    NURI_CHECK(changes.empty(), "{}: resuming with another recipe would not continue the same run; changed:{}",
               options_.out.string(), changes);
  }

  void begin_record() {
    RunRecord r;
    r.command = options_.command;
    r.recipe = recipe_text(options_.recipe);
    r.data_manifest = source_.hash();
    r.profile = x1::kProfile;
    r.machine = this_machine(options_.level);
    if (const fs::path before = options_.out / "run.json"; initial_hash_.empty() && fs::exists(before)) {
      const auto hashes = read_run_record(before).hashes;
      if (const auto found = hashes.find(kInitialWeights); found != hashes.end()) initial_hash_ = found->second;
    }
    if (!initial_hash_.empty()) r.hashes[kInitialWeights] = initial_hash_;
    r.memory_planned_bytes = summary_.memory_planned;
    record_ = std::make_unique<RunFile>(options_.out / "run.json", r, options_.resume);
    write_file_atomic(options_.out / "recipe.toml", recipe_text(options_.recipe));
    log_ = std::make_unique<LogWriter>(options_.out / "log.jsonl", state_.step);
    saver_ = std::make_unique<Saver>(
        Saver::Run{*model_, *optimizer_, options_.recipe, options_.out, source_.tokenizer_dir(), *log_});
    observer_ = std::make_unique<Observer>(*model_, *optimizer_, source_, recipe_, *log_);
    if (state_.step > 0)  // what is usual for each layer, so that a resumed run warns as the whole one would
      for (const StepRow& row : read_log(options_.out / "log.jsonl").steps)
        (void)outliers_.see(row.step, row.layer_grad_norm, row.layer_update);
    record_->update();
  }

  void loop() {
    const SignalScope signals;
    LiveLine live(total_steps_, total_tokens_, options_.peak_gflops, options_.quiet);
    const double begin = seconds_now();
    std::vector<double> per_token, per_flop;  // seconds of each step
    while (state_.step < total_steps_) {
      const double start = seconds_now();
      profile::step("training step");
      const data::Batch batch = source_.rows(static_cast<uint64_t>(state_.rows), batch_ramp_.rows_at(state_.rows));
      StepResult result = step_->gradients(batch.tokens, batch.documents, batch.n_rows, batch.learned);
      const double rate = schedule_.at(state_.step);
      check_finite("loss", result.total, batch);
      step_->apply(result, rate, state_.step + 1);
      check_finite("gradient norm", result.grad_norm, batch);
      if (saver_->ended()) saver_->finish();
      ++state_.step;
      state_.tokens += result.tokens;
      state_.rows += batch.n_rows;
      const double seconds = seconds_now() - start;
      const StepRow row = make_step_row(result, *model_, state_.step, state_.tokens, rate, seconds);
      per_token.push_back(seconds / static_cast<double>(result.tokens));
      per_flop.push_back(seconds / row.flops);
      summary_.flops += row.flops;
      summary_.loss = row.loss;
      log_->write(row);
      summary_.tokens_per_s = 1 / median(per_token);
      if (options_.peak_gflops > 0) summary_.mfu = 1 / median(per_flop) / (options_.peak_gflops * 1e9);
      for (const WarningRow& warning : outliers_.see(row.step, row.layer_grad_norm, row.layer_update)) {
        log_->write(warning);
        live.note(warning_text(warning, n_groups(), options_.recipe.model.n_layers));
      }
      live.show(row, summary_.tokens_per_s);
      record_->record().steps = state_.step;
      record_->record().tokens = state_.tokens;
      record_->record().flops += row.flops;
      bool last = state_.step == total_steps_;
      const bool better = every(recipe_.eval_every) && !last && validate(static_cast<uint64_t>(recipe_.eval_rows));
      last = last || out_of_patience();
      const bool stop = SignalScope::stop_asked() && !last;
      if (!last && every(recipe_.sample_every)) observer_->write_samples(state_.step);
      const bool asked = SignalScope::take_save_asked();
      if (last || stop || asked || every(recipe_.save_every) || (better && publishes_best()))
        save(last, saves_copies_ && !last && !stop && !asked);
      if (asked) write_report(options_.out);
      note_memory();
      if (stop) summary_.outcome = "stopped";
      if (stop || last) break;
    }
    live.end();
    summary_.saves = saver_->saves();
    summary_.longest_stall = saver_->longest_stall();
    summary_.seconds = seconds_now() - begin;
    if (summary_.outcome.empty()) summary_.outcome = "finished";
  }

  int64_t n_groups() const { return model_->n_blocks() + 2; }

  void note_memory() {
    summary_.memory_anonymous = std::max(summary_.memory_anonymous, resident_bytes().anonymous);
    record_->record().memory_anonymous_bytes = summary_.memory_anonymous;
  }

  bool every(int64_t n) const { return n > 0 && state_.step % n == 0; }

  /// A loss or norm that is no number stops the run before the update, naming the op that made the first NaN or Inf.
  void check_finite(const char* what, double value, const data::Batch& batch) {
    if (std::isfinite(value)) return;
    const std::string first = first_not_finite(
        *model_, [&] { (void)step_->gradients(batch.tokens, batch.documents, batch.n_rows, batch.learned); });
    fail(
        "step {}: the {} is {}; the first value that is not finite comes out of {}. Nothing was updated: lower lr or "
        "raise warmup_steps, or resume from an earlier checkpoint",
        state_.step + 1, what, value, first.empty() ? fmt::format("the {} itself", what) : first);
  }

  bool publishes_best() const { return recipe_.publish == "best"; }
  bool out_of_patience() const { return recipe_.patience > 0 && state_.evals_since_best >= recipe_.patience; }

  /// True where no validation before was lower. All rows after some are another measure: the later one counts.
  bool validate(uint64_t max_rows) {
    const auto eval = observer_->validate(state_.step, max_rows);
    if (!eval) return false;
    summary_.eval = *eval;
    validated_step_ = max_rows == 0 ? state_.step : -1;
    const bool comparable = max_rows > 0 || recipe_.eval_rows == 0;
    const bool better = !comparable || state_.best_step == 0 || eval->all.bits_per_byte() < state_.best_bits;
    state_.evals_since_best = better ? 0 : state_.evals_since_best + 1;
    if (!better) return false;
    state_.best_bits = eval->all.bits_per_byte();
    state_.best_step = state_.step;
    return true;
  }

  /// Makes the run's directory the best model instead of the last one, where the recipe says so.
  void publish() {
    summary_.published_step = state_.step;
    const bool best = publishes_best() && state_.best_step > 0 && state_.best_step < state_.step;
    if (best) {
      const fs::path checkpoint = checkpoints() / checkpoint_name(state_.best_step);
      load_checkpoint(checkpoint, *model_, *optimizer_);
      publish_run(checkpoint, options_.out);
      summary_.published_step = state_.best_step;
    }
    if (!best && summary_.eval.all.bytes > 0) return;
    if (const auto eval = observer_->evaluate(0)) summary_.eval = *eval;
  }

  /// background: from a copy, while the next steps go on.
  void save(bool finished, bool background) {
    if (finished) {
      if (validated_step_ != state_.step) validate(0);
      if (const auto eval = observer_->validate_average(state_.step)) summary_.eval_ema = *eval;
      observer_->write_samples(state_.step);
    }
    state_.finished = finished;
    saver_->save(state_, background);
    record_->update();
  }

  void finish() {
    summary_.steps = state_.step;
    summary_.total_steps = total_steps_;
    summary_.tokens = state_.tokens;
    summary_.memory_peak = peak_resident_bytes();
    note_memory();
    summary_.out_of_patience = out_of_patience() && state_.step < total_steps_;
    if (summary_.outcome == "finished") publish();
    summary_.weights_hash = weights_hash(*model_);
    RunRecord& r = record_->record();
    r.results["loss"] = summary_.loss;
    if (summary_.eval.all.bytes > 0) r.results["bits_per_byte"] = summary_.eval.all.bits_per_byte();
    if (summary_.eval_ema.all.bytes > 0) r.results["bits_per_byte_ema"] = summary_.eval_ema.all.bits_per_byte();
    r.results["tokens_per_s"] = summary_.tokens_per_s;
    if (summary_.mfu > 0) r.results["mfu"] = summary_.mfu;
    r.hashes["weights"] = summary_.weights_hash;
    if (optimizer_->ema()) {
      const AverageScope average(*model_, *optimizer_);
      r.hashes["ema"] = weights_hash(*model_);
    }
    record_->finish(summary_.outcome, summary_.outcome == "stopped" ? "asked by a signal; continue with --resume" : "");
    write_report(options_.out);
  }

  const TrainOptions& options_;
  const Recipe& recipe_;
  TrainSource& source_;
  std::unique_ptr<DeepseekV3> model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<TrainStep> step_;
  std::unique_ptr<RunFile> record_;
  std::unique_ptr<LogWriter> log_;
  std::unique_ptr<Observer> observer_;
  OutlierWatch outliers_;
  Schedule schedule_;
  TrainState state_;
  BatchRamp batch_ramp_;
  int64_t total_steps_ = 0, total_tokens_ = 0;
  int64_t validated_step_ = -1;            // of the last validation of all rows
  std::string initial_hash_;               // of a run that begins as another model
  Recompute recompute_ = Recompute::none;  // as the memory plan chose
  bool saves_copies_ = false;              // the same
  std::unique_ptr<Saver> saver_;
  TrainSummary summary_;
};

}  // namespace

TrainSummary train(const TrainOptions& options, TrainSource& source) { return Run(options, source).go(); }

int64_t total_steps(const Recipe& r, TrainSource& source) {
  if (r.steps > 0) return r.steps;
  const BatchRamp ramp = r.batch_ramp();
  if (r.tokens > 0) return ramp.steps_within(r.tokens / r.length);
  return std::max<int64_t>(1, ramp.steps_within(static_cast<int64_t>(source.rows_within(r.epochs))));
}

std::string weights_hash(DeepseekV3& model) {
  std::vector<NamedTensor> tensors = model_tensors(model);
  std::sort(tensors.begin(), tensors.end(), [](const NamedTensor& a, const NamedTensor& b) { return a.name < b.name; });
  uint64_t h = 0xcbf29ce484222325ull;
  auto eat = [&h](const void* data, size_t bytes) {
    const auto* p = static_cast<const unsigned char*>(data);
    for (size_t i = 0; i < bytes; ++i) h = (h ^ p[i]) * 0x100000001b3ull;
  };
  for (const NamedTensor& t : tensors) {
    eat(t.name.data(), t.name.size());
    eat(t.tensor.raw(), t.tensor.bytes());
  }
  return fmt::format("{:016x}", h);
}

}  // namespace nuri
