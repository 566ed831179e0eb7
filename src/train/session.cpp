#include "train/session.h"

#include <algorithm>
#include <cstdio>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/machine.h"
#include "base/median.h"
#include "base/x1.h"
#include "io/checkpoint.h"
#include "ledger/provenance.h"
#include "models/load.h"
#include "train/report.h"
#include "train/signals.h"

namespace nuri {
namespace {

namespace fs = std::filesystem;

constexpr const char* kInitialWeights = "initial_weights";

}  // namespace

Session::Session(const TrainOptions& options, const RunData& data, RunSummary& summary)
    : options_(options), recipe_(options.recipe.recipe), data_(data), summary_(summary) {
  const int64_t ids = data.tokenizer().vocab_size(), rows = options.recipe.model.vocab_size;
  NURI_CHECK(ids <= rows,
             "{}: its tokenizer has {} ids, config.json of the model has vocab_size {}; train a tokenizer of at most "
             "that size, or change config.json",
             data.name(), ids, rows);
  if (options.peak_gflops) peak_gflops_ = options.peak_gflops();
}

Session::~Session() = default;

const MemoryPlan& Session::prepare(const BesideRecipe& extra) {
  const int64_t limit = std::min(options_.memory_limit.value_or(INT64_MAX), memory_allowed());
  NURI_CHECK(batch_bytes(recipe_) <= limit,
             "batch_rows = {} of length = {}: the ids of one step alone need {} of memory, {} are allowed; use fewer "
             "or shorter rows",
             recipe_.batch_rows, recipe_.length, bytes_text(batch_bytes(recipe_)), bytes_text(limit));
  const int64_t beside = extra.weights + extra.cache + extra.kept;
  NURI_CHECK(beside < limit, "weights and cache beside the trained model need {}, {} of memory are allowed",
             bytes_text(beside), bytes_text(limit));
  plan_ = require_memory(limit - beside, options_.recipe.model, recipe_, program_resident(),
                         options_.recipe.policy ? StepKind::policy : StepKind::rows);
  plan_.bytes[static_cast<size_t>(Owner::weights)] += extra.weights;
  plan_.bytes[static_cast<size_t>(Owner::kv_cache)] += extra.cache;
  if (plan_.saves_copies) plan_.bytes[static_cast<size_t>(Owner::saving)] += extra.kept;
  plan_.total += beside - (plan_.saves_copies ? 0 : extra.kept);
  summary_.memory_planned = plan_.total;
  fs::create_directories(options_.out);
  lock_.emplace(options_.out);
  clean_leftovers(checkpoints());
  model_ = std::make_unique<DeepseekV3>(options_.recipe.model, recipe_.model_options());
  optimizer_ = std::make_unique<Optimizer>(make_optimizer(*model_, recipe_.optimizer_options()));
  StepOptions step = recipe_.step_options();
  step.recompute = plan_.recompute;
  step_ = std::make_unique<TrainStep>(*model_, *optimizer_, step);
  return plan_;
}

void Session::begin(const Started& started, const std::function<int64_t(int64_t)>& rows_after) {
  std::vector<std::string> skipped;
  const auto newest = latest_checkpoint(checkpoints(), &skipped);
  for (const std::string& reason : skipped) fmt::print(stderr, "passed over: {}\n", reason);
  if (newest) {
    resume(newest->directory, rows_after);
  } else {
    NURI_CHECK(options_.resume || !fs::exists(options_.out / "log.jsonl"),
               "{}: a run was begun here and holds no checkpoint; continue it with --resume, or choose another --out",
               options_.out.string());
    initialise();
    if (started) started();
    state.profile = x1::kProfile;
    state.data_manifest = data_.hash();
    state.rows = 0;
  }
  require_free_bytes(options_.out, (checkpoint_bytes(*model_, *optimizer_) + safetensors_bytes(kept_)) * 2,
                     "two checkpoints");
  begin_chain(newest ? newest->directory : fs::path());
  begin_record();
}

void Session::begin_chain(const fs::path& resumed_from) {
  std::map<std::string, std::string> facts{{"seed", std::to_string(recipe_.seed)},
                                           {"config_sha256", sha256(config_of(*model_))},
                                           {"recipe_sha256", recipe_sha256(recipe_text(options_.recipe))},
                                           {"data", data_.hash()},
                                           {"profile", x1::kProfile}};
  if (resumed_from.empty()) facts["initial_weights_sha256"] = weights_sha256(*model_);
  chain_ = std::make_unique<Chain>(options_.out, state.step, std::move(facts));
  if (!chain_->damage().empty())
    fmt::print(stderr, "nuri: {}; it is kept as {}.damaged and a new chain begins here\n", chain_->damage(),
               kChainFile);
  // A kill between a checkpoint and its row.
  if (chain_->step() < state.step) chain_->add(state.step, checkpoint_facts(resumed_from));
}

void Session::resume(const fs::path& checkpoint, const std::function<int64_t(int64_t)>& rows_after) {
  const TrainState found = read_state(checkpoint);
  // A kill between the last checkpoint and the record of the end leaves both to be done.
  const fs::path record = options_.out / "run.json";
  const bool closed = !fs::exists(record) || read_run_record(record).outcome == "finished";
  NURI_CHECK(!found.finished || (options_.resume && !closed),
             "{}: this run is finished ({} steps); choose another --out", options_.out.string(), found.step);
  NURI_CHECK(options_.resume, "{}: a run is here, at step {}; continue it with --resume, or choose another --out",
             options_.out.string(), found.step);
  NURI_CHECK(found.profile == x1::kProfile,
             "{}: made under profile {}, this program computes under {}; other bits would come out",
             checkpoint.string(), found.profile, x1::kProfile);
  NURI_CHECK(found.data_manifest == data_.hash(),
             "{}: the run was begun on other data (manifest {}, now {}); resume with the same data",
             checkpoint.string(), found.data_manifest, data_.hash());
  check_same_recipe(checkpoint);
  load_checkpoint(checkpoint, *model_, *optimizer_, kept_);
  publish_run(checkpoint, options_.out);
  state = found;
  if (rows_after) {
    const int64_t cursor = rows_after(found.step);
    NURI_CHECK(found.rows < 0 || found.rows == cursor,
               "{}: trainer/state.json says that {} rows were seen, this recipe has seen {} after step {}: the file "
               "was changed; resume from another checkpoint",
               checkpoint.string(), found.rows, cursor, found.step);
    state.rows = cursor;
  }
  if (!options_.quiet) fmt::print(stderr, "resumed at step {} of {}\n", state.step, summary_.total_steps);
}

void Session::initialise() {
  const fs::path& base = options_.recipe.init_from;
  for (const std::string& note : begin_weights(*model_, recipe_.seed, base, data_.tokenizer()))
    fmt::print(stderr, "{}: {}\n", base.string(), note);
  if (!base.empty()) initial_hash_ = weights_hash(*model_);
}

void Session::check_same_recipe(const fs::path& checkpoint) {
  // The stored recipe names config.json of its own directory.
  const ResolvedRecipe before = load_recipe(checkpoint / "trainer" / "recipe.toml", {"config=../config.json"},
                                            {.policy = options_.recipe.policy.has_value()});
  std::string changes;
  for (const std::string& change : changed_bits(before, options_.recipe)) changes += "\n  " + change;
  NURI_CHECK(changes.empty(), "{}: resuming with another recipe would not continue the same run; changed:{}",
             options_.out.string(), changes);
}

void Session::begin_record() {
  RunRecord r;
  r.kind = data_.kind();
  r.family = "deepseek_v3";
  r.config_hash = sha256(config_of(*model_));
  set_parent(r, options_.recipe.init_from);
  r.command = options_.command;
  r.recipe = recipe_text(options_.recipe);
  r.data_manifest = data_.hash();
  r.places = data_.places();
  r.profile = x1::kProfile;
  r.machine = this_machine(options_.level);
  if (const fs::path before = options_.out / "run.json"; initial_hash_.empty() && fs::exists(before)) {
    const auto hashes = read_run_record(before).hashes;
    if (const auto found = hashes.find(kInitialWeights); found != hashes.end()) initial_hash_ = found->second;
  }
  if (!initial_hash_.empty()) r.hashes[kInitialWeights] = initial_hash_;
  r.seconds_planned = options_.planned.seconds;
  r.energy_wh_planned = options_.planned.energy_wh;
  r.usd_planned = options_.planned.usd;
  r.memory_planned_bytes = summary_.memory_planned;
  r.steps = state.step;
  r.tokens = state.tokens;
  if (peak_gflops_ > 0) r.results[kPeakGflops] = peak_gflops_;
  summary_.data = data_.counts();
  for (const auto& [name, n] : summary_.data) r.results[name] = static_cast<double>(n);
  record_ = std::make_unique<RunFile>(options_.out / "run.json", r, options_.resume);
  write_file_atomic(options_.out / "recipe.toml", recipe_text(options_.recipe));
  log_ = std::make_unique<LogWriter>(options_.out / "log.jsonl", state.step);
  saver_ = std::make_unique<Saver>(
      Saver::Run{*model_, *optimizer_, options_.recipe, options_.out, data_.tokenizer_dir(), *log_, *chain_, kept_});
  if (state.step > 0)  // what is usual for each layer, so that a resumed run warns as the whole one would
    for (const StepRow& row : read_log(options_.out / "log.jsonl").steps) {
      (void)outliers_.see(row.step, row.layer_grad_norm, row.layer_update);
      record().flops += row.flops;  // of earlier processes
      last_loss_ = row.loss;
    }
  record_->update();
}

void Session::note_checkpoints() {
  record().checkpoints.clear();
  for (const ChainRow& row : chain_->rows())
    if (row.step > 0) record().checkpoints[checkpoint_name(row.step)] = row.link;
}

void Session::save(bool finished, bool goes_on) {
  state.finished = finished;
  report_asked_ |= SignalScope::take_save_asked();
  told_to_wait_ = false;
  saver_->save(state, !goes_on ? SaveKind::last : plan_.saves_copies ? SaveKind::beside : SaveKind::waiting);
  if (saver_->writing()) return;  // look_after_save() notes it; until then the disk is busy
  note_checkpoints();
  record_->update();
}

void Session::look_after_save(LiveLine& live) {
  if (saver_->writing()) return;
  if (saver_->ended()) {
    saver_->finish();
    note_checkpoints();
    record_->update();
  }
  if (!report_asked_) return;
  report_asked_ = false;
  if (draw_report()) live.note("a signal asked for a checkpoint and the report: both are written");
}

bool Session::save_asked(LiveLine& live) {
  if (!SignalScope::save_asked()) return false;
  if (!saver_->writing()) return true;
  if (!told_to_wait_) live.note("a signal asks for a checkpoint while one is being written: it comes after that");
  told_to_wait_ = true;
  return false;
}

bool Session::stopped_before_steps() {
  if (!SignalScope::stop_asked()) return false;
  summary_.outcome = "stopped";
  return true;
}

void Session::note_memory() {
  summary_.memory_anonymous = std::max(summary_.memory_anonymous, resident_bytes().anonymous);
  record().memory_anonymous_bytes = std::max(record().memory_anonymous_bytes, summary_.memory_anonymous);
  record_->tick();
}

void Session::count(const StepRow& row, LiveLine& live) {
  per_token_.push_back(row.seconds / static_cast<double>(std::max<int64_t>(1, row.step_tokens)));
  per_flop_.push_back(row.seconds / row.flops);
  summary_.flops += row.flops;
  summary_.tokens_per_s = 1 / median(per_token_);
  if (peak_gflops_ > 0) {
    look_at_peak(live);
    summary_.mfu = 1 / median(per_flop_) / (peak_gflops_ * 1e9);
  }
  log_->write(row);
  for (const WarningRow& warning : outliers_.see(row.step, row.layer_grad_norm, row.layer_update)) {
    log_->write(warning);
    live.warn(warning_text(warning, n_groups(), options_.recipe.model.n_layers));
  }
  record().steps = state.step;
  record().tokens = state.tokens;
  record().flops += row.flops;
  last_loss_ = row.loss;
}

void Session::finish() {
  summary_.saves = saver_->saves();
  summary_.longest_stall = saver_->longest_stall();
  summary_.last_save = saver_->end_seconds();
  summary_.steps = state.step;
  summary_.tokens = state.tokens;
  summary_.memory_peak = peak_resident_bytes();
  note_memory();
  summary_.weights_hash = weights_hash(*model_);
  RunRecord& r = record();
  if (peak_gflops_ > 0) {
    const double better = options_.peak_gflops();
    summary_.mfu *= peak_gflops_ / better;
    r.results[kPeakGflops] = std::max(r.results[kPeakGflops], better);
  }
  if (summary_.tokens_per_s > 0) r.results["tokens_per_s"] = summary_.tokens_per_s;
  if (summary_.mfu > 0) r.results["mfu"] = summary_.mfu;
  r.hashes["weights"] = summary_.weights_hash;
  r.hashes["chain"] = chain_->link();
  note_checkpoints();
  if (optimizer_->ema()) {
    const AverageScope average(*model_, *optimizer_);
    r.hashes["ema"] = weights_hash(*model_);
  }
  record_->finish(summary_.outcome, summary_.outcome == "stopped" ? "asked by a signal; continue with --resume" : "");
  write_report(options_.out);
}

void Session::look_at_peak(LiveLine& live) {
  constexpr double kFirstLook = 5;  // seconds after the start
  const double now = seconds_now();
  if (begun_ == 0) begun_ = now, next_look_ = now + kFirstLook;
  if (now < next_look_) return;
  next_look_ = now + (now - begun_);
  peak_gflops_ = std::max(peak_gflops_, options_.peak_gflops());
  record().results[kPeakGflops] = std::max(record().results[kPeakGflops], peak_gflops_);
  live.set_peak(peak_gflops_);
}

bool Session::draw_report() {
  try {
    write_report(options_.out, true);
    return true;
  } catch (const std::exception& e) {
    if (!told_of_report_)
      fmt::print(stderr, "warning: report.html cannot be written while the run goes on: {}\n", e.what());
    told_of_report_ = true;
    return false;
  }
}

void Session::report(bool event) {
  report_event_ |= event;
  if (saver_->writing()) return;
  const double begin = seconds_now();
  if (!report_times_.due(begin, report_event_)) return;
  record_->update();
  (void)draw_report();
  report_event_ = false;
  report_times_.wrote(begin, seconds_now());
}

void Session::watch(const std::function<void()>& steps) {
  try {
    report(true);
    steps();
  } catch (const std::exception& e) {
    saver_->settle();
    record_->finish("failed", e.what());
    try {
      write_report(options_.out);
    } catch (const std::exception& also) {  // a full disk, say: what failed first is what has to be mended
      fmt::print(stderr, "nuri: report.html was not written: {}\n", also.what());
    }
    throw;
  }
}

std::string recipe_sha256(const std::string& text) {
  Sha256 hash;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    line = line.substr(0, line.rfind(" # ") == line.npos ? line.size() : line.rfind(" # "));
    while (!line.empty() && line.back() == ' ') line.remove_suffix(1);
    if (line.starts_with("config =") || line.starts_with("init_from =")) continue;
    hash.add(line);
    hash.add("\n");
  }
  return hash.hex();
}

}  // namespace nuri
