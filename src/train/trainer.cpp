#include "train/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/clock.h"
#include "base/profile.h"
#include "io/checkpoint.h"
#include "train/not_finite.h"
#include "train/observe.h"
#include "train/signals.h"

namespace nuri {
namespace {

constexpr const char* kStep = "training step";

class Run {
 public:
  Run(const TrainOptions& options, TrainSource& source)
      : options_(options), recipe_(options.recipe.recipe), source_(source), session_(options, source, summary_) {}

  TrainSummary go() {
    open_data();
    const MemoryPlan& plan = session_.prepare();
    if (!options_.quiet) describe(plan);
    const SignalScope signals;  // the files of the run are there from here on: a signal closes them as it should
    session_.begin({}, [&](int64_t step) { return batch_ramp_.seen_after(step); });
    session_.record().tokens_planned = total_tokens_;
    observer_ = std::make_unique<Observer>(session_.model(), session_.optimizer(), source_, recipe_, session_.log());
    session_.watch([&] {
      if (!session_.stopped_before_steps()) loop();
    });
    finish();
    return summary_;
  }

 private:
  void open_data() {
    if (recipe_.patience > 0 || publishes_best())
      NURI_CHECK(
          source_.held_out(1)->size() > 0,
          "{}: nothing is held out, so patience = {} and publish = {} have nothing to compare; hold rows out for "
          "validation, or set patience = 0 and publish = last",
          source_.name(), recipe_.patience, recipe_.publish);
    batch_ramp_ = recipe_.batch_ramp();
    summary_.total_steps = total_steps(recipe_, source_);
    total_tokens_ = batch_ramp_.seen_after(summary_.total_steps) * recipe_.length;
    schedule_ = recipe_.make_schedule(summary_.total_steps);
    const double tokens = static_cast<double>(total_tokens_), rows = static_cast<double>(recipe_.length);
    const double flops = training_flops(options_.recipe.model, std::vector<int64_t>{recipe_.length}) * tokens / rows;
    const PlannedRun& plan = options_.planned;
    const auto near = [](double a, double b) { return std::abs(a - b) <= 0.01 * b; };
    NURI_CHECK(
        plan.tokens <= 0 || (near(plan.tokens, tokens) && near(plan.flops, flops)),
        "--plan: the plan is of {:.0f} tokens and {:.4g} FLOP, this run of {} and {:.4g}; make a plan of this run "
        "(`nuri train --predict --json`, `nuri plan train --hardware this --json`)",
        plan.tokens, plan.flops, total_tokens_, flops);
  }

  void describe(const MemoryPlan& plan) const {
    const ParameterCounts n = count_parameters(options_.recipe.model);
    const int64_t first = batch_ramp_.rows_at(0) * recipe_.length, last = recipe_.batch_rows * recipe_.length;
    fmt::print(stderr, "model: {:.2f} M parameters, {:.2f} M active; {} steps of {}{} tokens, {}, {} MLA\n",
               static_cast<double>(n.total()) / 1e6, static_cast<double>(n.active + n.active_mtp) / 1e6,
               summary_.total_steps, first == last ? "" : fmt::format("{} to ", first), last, recipe_.precision,
               recipe_.mla_form);
    fmt::print(stderr, "memory planned (limit {}):\n{}",
               bytes_text(std::min(options_.memory_limit.value_or(INT64_MAX), memory_allowed())), plan_text(plan));
  }

  void loop() {
    const profile::StepScope steps(kStep);
    LiveLine live(summary_.total_steps, total_tokens_, session_.peak_gflops(), options_.quiet);
    const double begin = seconds_now();
    TrainState& state = session_.state;
    begun_ = state.step;
    while (state.step < summary_.total_steps) {
      const double start = seconds_now();
      profile::step(kStep);
      const data::Batch batch = source_.rows(static_cast<uint64_t>(state.rows), batch_ramp_.rows_at(state.rows));
      StepResult result = session_.step().gradients(batch.tokens, batch.documents, batch.n_rows, batch.learned);
      const double rate = schedule_.at(state.step);
      check_finite("loss", result.total, batch);
      session_.step().apply(result, rate, state.step + 1);
      check_finite("gradient norm", result.grad_norm, batch);
      ++state.step;
      state.tokens += result.tokens;
      state.rows += batch.n_rows;
      const StepRow row =
          make_step_row(result, session_.model(), state.step, state.tokens, rate, seconds_now() - start);
      session_.count(row, live);
      session_.look_after_save(live);
      live.show(row, summary_.tokens_per_s);
      bool last = state.step == summary_.total_steps;
      const bool better =
          session_.every(recipe_.eval_every) && !last && validate(static_cast<uint64_t>(recipe_.eval_rows));
      last = last || out_of_patience();
      const bool enough = options_.stop_after > 0 && state.step - begun_ >= options_.stop_after;
      const bool stop = (SignalScope::stop_asked() || enough) && !last;
      if (!last && session_.every(recipe_.sample_every)) observer_->write_samples(state.step);
      const bool saves = last || stop || session_.save_asked(live) || session_.every(recipe_.save_every) ||
                         (better && publishes_best());
      if (saves) save(last, !last && !stop);
      if (!last && !stop) session_.report(saves || session_.every(recipe_.eval_every));
      session_.note_memory();
      if (stop) summary_.outcome = "stopped";
      if (stop || last) break;
    }
    live.end();
    summary_.seconds = seconds_now() - begin;
    if (summary_.outcome.empty()) summary_.outcome = "finished";
  }

  /// A loss or norm that is no number stops the run before the update, naming the op that made the first NaN or Inf.
  void check_finite(const char* what, double value, const data::Batch& batch) {
    if (std::isfinite(value)) return;
    const std::string first = first_not_finite(session_.model(), [&] {
      (void)session_.step().gradients(batch.tokens, batch.documents, batch.n_rows, batch.learned);
    });
    fail(
        "step {}: the {} is {}; the first value that is not finite comes out of {}. Nothing was updated: lower lr or "
        "raise warmup_steps, or resume from an earlier checkpoint",
        session_.state.step + 1, what, value, first.empty() ? fmt::format("the {} itself", what) : first);
  }

  bool publishes_best() const { return recipe_.publish == "best"; }
  bool out_of_patience() const { return recipe_.patience > 0 && session_.state.evals_since_best >= recipe_.patience; }

  /// True where no validation before was lower. All rows after some are another measure: the later one counts.
  bool validate(uint64_t max_rows) {
    TrainState& state = session_.state;
    const auto eval = observer_->validate(state.step, max_rows);
    if (!eval) return false;
    summary_.eval = *eval;
    validated_step_ = max_rows == 0 ? state.step : -1;
    const bool comparable = max_rows > 0 || recipe_.eval_rows == 0;
    const bool better = !comparable || state.best_step == 0 || eval->all.bits_per_byte() < state.best_bits;
    state.evals_since_best = better ? 0 : state.evals_since_best + 1;
    if (!better) return false;
    state.best_bits = eval->all.bits_per_byte();
    state.best_step = state.step;
    return true;
  }

  /// Makes the run's directory the best model instead of the last one, where the recipe says so.
  void publish() {
    const TrainState& state = session_.state;
    summary_.published_step = state.step;
    const bool best = publishes_best() && state.best_step > 0 && state.best_step < state.step;
    if (best) {
      const std::filesystem::path checkpoint = session_.checkpoints() / checkpoint_name(state.best_step);
      load_checkpoint(checkpoint, session_.model(), session_.optimizer());
      publish_run(checkpoint, options_.out);
      summary_.published_step = state.best_step;
    }
    if (!best && summary_.eval.all.bytes > 0) return;
    if (const auto eval = observer_->evaluate(0)) summary_.eval = *eval;
  }

  void save(bool finished, bool goes_on) {
    if (finished) {
      if (validated_step_ != session_.state.step) validate(0);
      if (const auto eval = observer_->validate_average(session_.state.step)) summary_.eval_ema = *eval;
      observer_->write_samples(session_.state.step);
    }
    session_.save(finished, goes_on);
  }

  void finish() {
    summary_.out_of_patience = out_of_patience() && session_.state.step < summary_.total_steps;
    if (summary_.outcome == "finished") publish();
    summary_.loss = session_.last_loss();
    RunRecord& r = session_.record();
    if (session_.state.step > 0) r.results["loss"] = summary_.loss;
    if (summary_.eval.all.bytes > 0) r.results["bits_per_byte"] = summary_.eval.all.bits_per_byte();
    if (summary_.eval_ema.all.bytes > 0) r.results["bits_per_byte_ema"] = summary_.eval_ema.all.bits_per_byte();
    session_.finish();
  }

  const TrainOptions& options_;
  const Recipe& recipe_;
  TrainSource& source_;
  TrainSummary summary_;
  Session session_;
  std::unique_ptr<Observer> observer_;
  Schedule schedule_;
  BatchRamp batch_ramp_;
  int64_t total_tokens_ = 0;
  int64_t begun_ = 0;            // step at which this process began
  int64_t validated_step_ = -1;  // of the last validation of all rows
};

}  // namespace

TrainSummary train(const TrainOptions& options, TrainSource& source) { return Run(options, source).go(); }

int64_t total_steps(const Recipe& r, TrainSource& source) {
  if (r.steps > 0) return r.steps;
  const BatchRamp ramp = r.batch_ramp();
  if (r.tokens > 0) return ramp.steps_within(r.tokens / r.length);
  return std::max<int64_t>(1, ramp.steps_within(static_cast<int64_t>(source.rows_within(r.epochs))));
}

}  // namespace nuri
