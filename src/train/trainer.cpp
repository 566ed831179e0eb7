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
#include "data/loader.h"
#include "data/token_bytes.h"
#include "infer/generate.h"
#include "io/checkpoint.h"
#include "io/run_lock.h"
#include "ledger/run_record.h"
#include "models/load.h"
#include "text/tokenizer.h"
#include "train/metrics.h"
#include "train/not_finite.h"
#include "train/saver.h"
#include "train/signals.h"
#include "train/state.h"

namespace nuri {
namespace {

namespace fs = std::filesystem;

DeepseekV3::Options model_options(const Recipe& r) {
  return {.dtype = r.precision_kind() == Precision::bf16 ? DType::bf16 : DType::f32,
          .trainable = true,
          .with_mtp = true,
          .form = r.form()};
}

class Run {
 public:
  explicit Run(const TrainOptions& options) : options_(options), recipe_(options.recipe.recipe) {}

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
    dataset_ = std::make_unique<data::Dataset>(data::Dataset::open(options_.data));
    NURI_CHECK(dataset_->manifest().vocab_size <= options_.recipe.model.vocab_size,
               "{}: its tokenizer has {} ids, config.json of the model has vocab_size {}; train a tokenizer of at most "
               "that size, or change config.json",
               options_.data.string(), dataset_->manifest().vocab_size, options_.recipe.model.vocab_size);
    data::LoaderOptions loader;
    loader.length = recipe_.length;
    loader.seed = static_cast<uint64_t>(recipe_.seed);
    loader.weights = recipe_.source_weights();
    loader_ = std::make_unique<data::Loader>(*dataset_, loader);
    tokenizer_ = std::make_unique<Tokenizer>(Tokenizer::load(dataset_->tokenizer_dir()));
    token_bytes_ = data::bytes_per_token(*tokenizer_);
    token_bytes_.resize(static_cast<size_t>(options_.recipe.model.vocab_size));
    const double rows = recipe_.epochs * static_cast<double>(loader_->rows_per_epoch());
    batch_ramp_ = recipe_.batch_ramp();
    total_steps_ = recipe_.steps > 0    ? recipe_.steps
                   : recipe_.tokens > 0 ? batch_ramp_.steps_within(recipe_.tokens / recipe_.length)
                                        : std::max<int64_t>(1, batch_ramp_.steps_within(static_cast<int64_t>(rows)));
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
      model_->initialise(static_cast<uint64_t>(recipe_.seed));
      state_.profile = x1::kProfile;
      state_.data_manifest = dataset_->manifest().hash;
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
    NURI_CHECK(found.data_manifest == dataset_->manifest().hash,
               "{}: the run was begun on other data (manifest {}, now {}); resume with the same --data",
               newest->directory.string(), found.data_manifest, dataset_->manifest().hash);
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
    r.data_manifest = dataset_->manifest().hash;
    r.profile = x1::kProfile;
    r.machine = this_machine(options_.level);
    r.memory_planned_bytes = summary_.memory_planned;
    record_ = std::make_unique<RunFile>(options_.out / "run.json", r, options_.resume);
    write_file_atomic(options_.out / "recipe.toml", recipe_text(options_.recipe));
    log_ = std::make_unique<LogWriter>(options_.out / "log.jsonl", state_.step);
    saver_ = std::make_unique<Saver>(
        Saver::Run{*model_, *optimizer_, options_.recipe, options_.out, dataset_->tokenizer_dir(), *log_});
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
      const data::Batch batch = loader_->rows(static_cast<uint64_t>(state_.rows), batch_ramp_.rows_at(state_.rows));
      StepResult result = step_->gradients(batch.tokens, batch.documents, batch.n_rows);
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
      const bool last = state_.step == total_steps_;
      const bool stop = SignalScope::stop_asked() && !last;
      if (!last && every(recipe_.eval_every)) validate(static_cast<uint64_t>(recipe_.eval_rows));
      if (!last && every(recipe_.sample_every)) write_samples();
      const bool asked = SignalScope::take_save_asked();
      if (last || stop || asked || every(recipe_.save_every)) save(last, saves_copies_ && !last && !stop && !asked);
      if (asked) write_report(options_.out);
      note_memory();
      if (stop) {
        summary_.outcome = "stopped";
        break;
      }
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
    const std::string first =
        first_not_finite(*model_, [&] { (void)step_->gradients(batch.tokens, batch.documents, batch.n_rows); });
    fail(
        "step {}: the {} is {}; the first value that is not finite comes out of {}. Nothing was updated: lower lr or "
        "raise warmup_steps, or resume from an earlier checkpoint",
        state_.step + 1, what, value, first.empty() ? fmt::format("the {} itself", what) : first);
  }

  void validate(uint64_t max_rows) {
    const data::ValidationRows rows(*dataset_, recipe_.length, max_rows);
    if (rows.size() == 0) return;
    auto run = [&] {
      summary_.eval = evaluate(*model_, *dataset_, rows, token_bytes_, recipe_.rows_at_once(), recipe_.document_mask);
    };
    run();
    if (!std::isfinite(summary_.eval.all.nats))
      fail(
          "step {}: the validation loss is {}; the first value that is not finite comes out of {}. Nothing was saved: "
          "lower lr, and resume from an earlier checkpoint",
          state_.step, summary_.eval.all.nats, first_not_finite(*model_, run));
    EvalRow row{state_.step, max_rows == 0, summary_.eval.all.bits_per_byte(), {}, {}};
    for (const auto& [name, bits] : summary_.eval.by_source) row.by_source[name] = bits.bits_per_byte();
    for (const auto& [name, bits] : summary_.eval.by_language) row.by_language[name] = bits.bits_per_byte();
    log_->write(row);
    if (max_rows == 0 && optimizer_->ema()) validate_average(rows);
    if (max_rows == 0 || state_.best_bits == 0 || row.bits_per_byte < state_.best_bits) {
      state_.best_bits = row.bits_per_byte;
      state_.best_step = state_.step;
    }
  }

  void validate_average(const data::ValidationRows& rows) {
    const AverageScope average(*model_, *optimizer_);
    summary_.eval_ema = evaluate(*model_, *dataset_, rows, token_bytes_, recipe_.rows_at_once(), recipe_.document_mask);
    EvalRow row{state_.step, true, summary_.eval_ema.all.bits_per_byte(), {}, {}, true};
    for (const auto& [name, bits] : summary_.eval_ema.by_source) row.by_source[name] = bits.bits_per_byte();
    for (const auto& [name, bits] : summary_.eval_ema.by_language) row.by_language[name] = bits.bits_per_byte();
    log_->write(row);
  }

  void write_samples() {
    std::vector<GenerateRequest> requests;
    std::vector<std::string> prompts;
    for (size_t begin = 0; begin < recipe_.sample_prompts.size();) {
      const size_t end = std::min(recipe_.sample_prompts.find('|', begin), recipe_.sample_prompts.size());
      prompts.push_back(recipe_.sample_prompts.substr(begin, end - begin));
      begin = end + 1;
    }
    if (prompts.empty() || recipe_.sample_tokens == 0) return;
    for (const std::string& prompt : prompts) {
      GenerateRequest r;
      if (const auto bos = tokenizer_->bos_id()) r.prompt.push_back(*bos);
      tokenizer_->encode_to(prompt, r.prompt);
      r.max_tokens = recipe_.sample_tokens;
      r.sampler.temperature = 0.7f;
      r.sampler.seed = static_cast<uint64_t>(recipe_.seed);
      r.sequence = requests.size();
      if (const auto eos = tokenizer_->eos_id()) r.stop_ids.push_back(*eos);
      requests.push_back(std::move(r));
    }
    const std::vector<Reply> replies = Generator(*model_, *tokenizer_).run(requests);
    for (size_t i = 0; i < replies.size(); ++i) log_->write(SampleRow{state_.step, prompts[i], replies[i].text});
  }

  /// background: from a copy, while the next steps go on.
  void save(bool finished, bool background) {
    if (finished) {
      validate(0);
      write_samples();
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
    if (summary_.eval.all.bytes == 0 && summary_.outcome == "finished") validate(0);
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
  std::unique_ptr<data::Dataset> dataset_;
  std::unique_ptr<data::Loader> loader_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<int32_t> token_bytes_;
  std::unique_ptr<DeepseekV3> model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<TrainStep> step_;
  std::unique_ptr<RunFile> record_;
  std::unique_ptr<LogWriter> log_;
  OutlierWatch outliers_;
  Schedule schedule_;
  TrainState state_;
  BatchRamp batch_ramp_;
  int64_t total_steps_ = 0, total_tokens_ = 0;
  Recompute recompute_ = Recompute::none;  // as the memory plan chose
  bool saves_copies_ = false;              // the same
  std::unique_ptr<Saver> saver_;
  TrainSummary summary_;
};

}  // namespace

TrainSummary train(const TrainOptions& options) { return Run(options).go(); }

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
