#include "cli/ledger_replay.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "cli/machine.h"
#include "io/checkpoint.h"
#include "ledger/ledger.h"
#include "rl/run.h"
#include "train/metrics.h"
#include "train/state.h"
#include "train/trainer.h"

namespace nuri {
namespace {

struct Scratch {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("nuri_replay_" + new_run_id());
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

/// Where the run's data lie: as the option says, else as its record does.
std::vector<std::string> places(const std::vector<std::string>& given, const RunRecord& record, const char* key) {
  return given.empty() ? places_of(record, key) : given;
}

/// As the option says, as its record does, or the run's own copy.
std::string tokenizer_of(const VerifyOptions& o, const RunRecord& record) {
  if (!o.tokenizer.empty()) return o.tokenizer;
  for (const std::string& place : places_of(record, "tokenizer"))
    if (std::filesystem::exists(std::filesystem::path(place) / "tokenizer.json")) return place;
  return o.run.string();
}

/// Error: data that the run was not begun on.
template <class Data>
Data& same_data(Data& data, const RunRecord& record) {
  NURI_CHECK(data.hash() == record.data_manifest,
             "--replay: {} is other data than the run's (hash {}, run.json says {}); give --data, --held-out and "
             "--tokenizer as they were",
             data.name(), data.hash(), record.data_manifest);
  return data;
}

/// Error: options that this run has no use for.
void refuse(const char* option, bool given, const char* why) {
  NURI_CHECK(!given, "{} is given, but {}; leave it out", option, why);
}

void train_again(const VerifyOptions& o, const RunRecord& record, const TrainOptions& t) {
  refuse("--held-out", !o.held_out.empty(), "the shards of this run hold what is held out");
  refuse("--tokenizer", !o.tokenizer.empty(), "the shards of this run have theirs");
  const std::string data = o.data.empty() ? shards_of(record) : o.data.front();
  NURI_CHECK(o.data.size() <= 1 && std::filesystem::is_directory(data),
             "--replay: the shards are not at \"{}\"; give one --data DIR", data);
  train(t, same_data(*open_shards(data, t.recipe), record));
}

void sft_again(const VerifyOptions& o, const RunRecord& record, const TrainOptions& t) {
  const data::ChatFiles files{places(o.data, record, "chats"), places(o.held_out, record, "held_out")};
  NURI_CHECK(!files.train.empty(), "--replay: run.json does not say where the chats are; give --data FILE...");
  train(t, same_data(*open_chats(files, tokenizer_of(o, record), t.recipe), record));
}

void rl_again(const VerifyOptions& o, const RunRecord& record, const TrainOptions& t) {
  ResolvedRecipe found = t.recipe;  // with files where they are now
  const auto put = [](const char* option, std::string& key, const std::vector<std::string>& given,
                      const std::vector<std::string>& place) {
    refuse(option, !given.empty() && key.empty(), "this run makes its problems itself");
    NURI_CHECK(given.size() <= 1, "{}: this run reads one such file, found {}", option, given.size());
    if (!key.empty() && !place.empty()) key = std::filesystem::absolute(place.front()).string();
  };
  put("--data", found.policy->problems, o.data, places(o.data, record, "problems"));
  put("--held-out", found.policy->held_out, o.held_out, places(o.held_out, record, "held_out"));
  const rl::Prompts prompts(tokenizer_of(o, record), found, {});
  rl::run(t, same_data(prompts, record));
}

struct Kind {
  const char* name;
  void (*again)(const VerifyOptions&, const RunRecord&, const TrainOptions&);
};
constexpr Kind kKinds[] = {{"train", train_again}, {"sft", sft_again}, {"rl", rl_again}};

const Kind& kind_of(const RunRecord& record) {
  for (const Kind& kind : kKinds)
    if (record.kind == kind.name) return kind;
  NURI_CHECK(record.kind.empty(), "--replay: a run of {} has no steps to make again", record.kind);
  return kKinds[0];
}

// Rows without what a clock says, and without names of sources, which are those of files where they are now.
StepRow timeless(StepRow row) {
  row.seconds = 0;
  return row;
}
PolicyRow timeless(PolicyRow row) {
  row.rollout_seconds = row.training_seconds = row.reference_seconds = 0;
  row.comparison_seconds = row.evaluation_seconds = row.seconds = 0;
  return row;
}
EvalRow timeless(EvalRow row) {
  std::vector<double> bits;
  for (const auto& [name, value] : row.by_source) bits.push_back(value);
  std::sort(bits.begin(), bits.end());
  row.by_source.clear();
  for (size_t i = 0; i < bits.size(); ++i) row.by_source[std::to_string(i)] = bits[i];
  return row;
}
template <class Row>
Row timeless(Row row) {
  return row;
}

/// Steps whose rows of one kind are the same, others, and rows that only one of the two logs has.
struct Compared {
  int64_t same = 0, different = 0, missing = 0;
  void add(const Compared& x) { same += x.same, different += x.different, missing += x.missing; }
};
template <class Row>
Compared compare(const std::vector<Row>& again, const std::vector<Row>& before, int64_t first, int64_t last) {
  std::map<int64_t, std::pair<std::vector<Row>, std::vector<Row>>> by_step;
  for (const Row& row : again) by_step[row.step].first.push_back(timeless(row));
  for (const Row& row : before) by_step[row.step].second.push_back(timeless(row));
  Compared out;
  for (const auto& [step, rows] : by_step) {
    if (step < first || step > last) continue;
    if (rows.first.empty() || rows.second.empty())
      ++out.missing;
    else
      ++(rows.first == rows.second ? out.same : out.different);
  }
  return out;
}

/// Where to begin: step 0 stands for the beginning of the run.
CheckpointInfo choose(const VerifyOptions& o, const ReplayedRun& run, int64_t last_step) {
  std::vector<CheckpointInfo> starts = list_checkpoints(o.run / "checkpoints");
  std::erase_if(starts, [&](const CheckpointInfo& c) { return c.step >= last_step; });
  if (run.from_beginning) starts.insert(starts.begin(), CheckpointInfo{});
  NURI_CHECK(!starts.empty(),
             "--replay: only the last checkpoint is kept, behind which there are no steps, and the model that the run "
             "began as is not there any more; runs with keep_last = 2 or keep_every keep other checkpoints");
  return starts[o.choice % starts.size()];
}

}  // namespace

void replay_steps(const VerifyOptions& o, const ReplayedRun& run, Findings& found) {
  const Kind& kind = kind_of(run.record);
  const RunLog log = read_log(o.run / "log.jsonl");
  NURI_CHECK(!log.steps.empty(), "{}: no steps", (o.run / "log.jsonl").string());
  const CheckpointInfo start = choose(o, run, log.steps.back().step);
  const Scratch scratch;
  TrainOptions t;
  t.recipe = run.recipe;
  if (start.step > 0) {
    // The state names the best checkpoint so far, which may be asked for.
    const int64_t best = read_state(start.directory).best_step;
    std::filesystem::create_directories(scratch.path / "checkpoints");
    for (const CheckpointInfo& c : list_checkpoints(o.run / "checkpoints"))
      if (c.step == start.step || (c.step == best && run.recipe.recipe.publish == "best"))
        std::filesystem::copy(c.directory, scratch.path / "checkpoints" / c.directory.filename(),
                              std::filesystem::copy_options::recursive);
    t.recipe = load_recipe(start.directory / "trainer" / "recipe.toml", {"config=../config.json"},
                           {.policy = run.recipe.policy.has_value()});
  }
  if (!run.record.parent_model.empty()) t.recipe.init_from = run.record.parent_model;
  t.out = scratch.path;
  t.resume = start.step > 0;
  t.level = active_level_text();
  t.quiet = true;
  t.stop_after = std::min(o.replay, log.steps.back().step - start.step);  // the run may have been stopped there
  use_ledger({});                                                         // steps made again are no run
  kind.again(o, run.record, t);
  const RunLog again = read_log(scratch.path / "log.jsonl");
  const auto made = static_cast<int64_t>(again.steps.size());
  NURI_CHECK(made == t.stop_after, "--replay: interrupted after {} of {} steps", made, t.stop_after);
  const int64_t first = start.step + 1, last = start.step + made, from = start.step > 0 ? first : 0;
  const Compared steps = compare(again.steps, log.steps, first, last);
  const Compared policy = compare(again.policy, log.policy, first, last);
  found.add(steps.same == made && steps.different + steps.missing + policy.different + policy.missing == 0,
            fmt::format("{} steps made again from {}: loss, gradient norms, updates and experts{} of {} are the same "
                        "to the bit",
                        made, start.step > 0 ? fmt::format("the checkpoint of step {}", start.step) : "the beginning",
                        again.policy.empty() ? "" : ", rewards and answers",
                        again.policy.empty() ? steps.same : std::min(steps.same, policy.same)));
  // The last step made again saved as a stop does; validations and samples of the end are the run's alone.
  const bool ends = last == log.steps.back().step;
  Compared others = compare(again.evals, log.evals, from, ends ? last - 1 : last);
  others.add(compare(again.solves, log.solves, from, ends ? last - 1 : last));
  others.add(compare(again.samples, log.samples, from, ends ? last - 1 : last));
  const std::string text = fmt::format("{} of {} validations and samples of these steps are the same to the bit",
                                       others.same, others.same + others.different + others.missing);
  if (others.missing > 0 && others.different == 0 && run.record.sessions > 1)
    found.note(text + "; when they are made may have been changed at a resumption");
  else if (others.same + others.different + others.missing > 0)
    found.add(others.different + others.missing == 0, text);
  for (const ChainRow& row : read_chain(scratch.path)) {
    const auto before =
        std::find_if(run.rows.begin(), run.rows.end(), [&](const ChainRow& r) { return r.step == row.step; });
    if (row.step <= start.step || before == run.rows.end()) continue;
    found.add(before->facts == row.facts,
              fmt::format("the checkpoint of step {} made again has the files of the chain", row.step));
  }
}

}  // namespace nuri
