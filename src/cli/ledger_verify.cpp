#include "cli/ledger_verify.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "cli/machine.h"
#include "cli/verbs.h"
#include "io/checkpoint.h"
#include "ledger/ledger.h"
#include "ledger/provenance.h"
#include "train/session.h"
#include "train/state.h"
#include "train/trainer.h"

namespace nuri {
namespace {

/// Lines of what holds, what does not, and what was not looked at ("--").
class Findings {
 public:
  void add(bool holds, const std::string& text) {
    fmt::print("{} {}\n", holds ? "ok  " : "NOT ", text);
    all_ &= holds;
  }
  void note(const std::string& text) { fmt::print("--   {}\n", text); }
  bool all() const { return all_; }

 private:
  bool all_ = true;
};

void check_links(const std::vector<ChainRow>& rows, Findings& found) {
  NURI_CHECK(!rows.empty(), "the chain has no rows");
  std::string before;
  for (const ChainRow& row : rows) {
    if (row.link != chain_link(before, row)) {
      found.add(false, fmt::format("the link of step {} is not the hash of what stands before it", row.step));
      return;
    }
    before = row.link;
  }
  found.add(true, fmt::format("{} links, each the SHA-256 of the one before, its step and its files; the last is {}",
                              rows.size(), before.substr(0, 16)));
}

/// The first row against the recipe, the record, and the weights that the seed gives.
void check_beginning(const ChainRow& first, const std::filesystem::path& run, const ResolvedRecipe& recipe,
                     const RunRecord& record, Findings& found) {
  const auto fact = [&](const char* name) {
    const auto at = first.facts.find(name);
    return at == first.facts.end() ? std::string() : at->second;
  };
  if (const std::string step = fact(kChainBroken); !step.empty()) {
    found.add(false,
              fmt::format("the chain begins at the checkpoint of step {}: an older program began this run, or its "
                          "chain was damaged",
                          step));
    return;
  }
  found.add(fact("seed") == std::to_string(recipe.recipe.seed), fmt::format("seed {}", fact("seed")));
  found.add(fact("config_sha256") == sha256_file(run / "config.json"), "the model's configuration");
  if (fact("recipe_sha256") == recipe_sha256(record.recipe))
    found.add(true, "the recipe");
  else
    found.note("the recipe was changed when the run was resumed, where that changes no bits (saving, evaluating)");
  found.add(fact("data") == record.data_manifest, fmt::format("the data's hash, {}", fact("data").substr(0, 16)));
  found.add(fact("profile") == record.profile, fmt::format("arithmetic {}", fact("profile")));
  if (!recipe.init_from.empty()) {
    found.note(fmt::format("began as {} ({}), whose weights are not computed again", record.parent_model,
                           record.parent.empty() ? "no run known" : "run " + record.parent.substr(0, 8)));
    return;
  }
  DeepseekV3 model(recipe.model, recipe.recipe.model_options());
  model.initialise(static_cast<uint64_t>(recipe.recipe.seed));
  found.add(fact("initial_weights_sha256") == weights_sha256(model),
            "the weights that this seed gives are those it began with");
}

/// The files of a model directory that a chain knows of, against one row of it.
void check_model(const std::filesystem::path& run, const std::vector<ChainRow>& rows, Findings& found) {
  std::map<std::string, std::string> files;
  for (const char* part : {"", kEmaDirectory}) {
    std::error_code missing;
    for (const auto& entry : std::filesystem::directory_iterator(run / part, missing))
      if (entry.path().extension() == ".safetensors")
        files[entry.path().lexically_relative(run).generic_string()] = sha256_file(entry.path());
  }
  if (files.empty()) return found.note("the run's directory holds no model yet");
  const auto made = std::find_if(rows.rbegin(), rows.rend(), [&](const ChainRow& r) {
    return std::all_of(files.begin(), files.end(), [&](const auto& file) {
      const auto at = r.facts.find(file.first);
      return at != r.facts.end() && at->second == file.second;
    });
  });
  found.add(made != rows.rend(), made != rows.rend() ? fmt::format("the run's model is that of step {}", made->step)
                                                     : "the run's model is that of no step of the chain");
}

void check_files(const std::filesystem::path& run, const std::vector<ChainRow>& rows, Findings& found) {
  int64_t checked = 0;
  for (const CheckpointInfo& checkpoint : list_checkpoints(run / "checkpoints")) {
    const auto row =
        std::find_if(rows.begin(), rows.end(), [&](const ChainRow& r) { return r.step == checkpoint.step; });
    if (row == rows.end()) {
      const std::string text = fmt::format("the checkpoint of step {} is not in the chain", checkpoint.step);
      // A kill between a checkpoint and its row leaves it so.
      if (checkpoint.step > rows.back().step)
        found.note(text + " yet: it is newer; --resume notes it");
      else
        found.add(false, text);
      continue;
    }
    const bool same = row->facts == checkpoint_facts(checkpoint.directory);
    if (!same)
      found.add(false, fmt::format("the checkpoint of step {} has other files than the chain says", checkpoint.step));
    checked += same;
  }
  const std::string text = fmt::format("{} of the {} checkpoints of the chain are still there and have its hashes",
                                       checked, rows.size() - 1);
  if (checked > 0)
    found.add(true, text);
  else
    found.note(text);
  check_model(run, rows, found);
}

/// The value behind an option of the run's command.
std::string option_of(const RunRecord& record, const std::string& name) {
  for (size_t i = 0; i + 1 < record.command.size(); ++i)
    if (record.command[i] == name) return record.command[i + 1];
  return "";
}

struct Scratch {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("nuri_replay_" + new_run_id());
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

/// Steps from a checkpoint again, in a directory of their own; every number of their log rows and, where a checkpoint
/// of the chain is reached, its files must come out the same.
void replay(const VerifyOptions& o, const ResolvedRecipe& recipe, const RunRecord& record,
            const std::vector<ChainRow>& rows, Findings& found) {
  NURI_CHECK(record.kind == "train" || record.kind.empty(),
             "--replay: this is a run of {}; only those of `nuri train` can be made again so far", record.kind);
  const std::string data = o.data.empty() ? option_of(record, "--data") : o.data;
  NURI_CHECK(!data.empty() && std::filesystem::is_directory(data),
             "--replay: the shards are not at \"{}\"; give --data DIR", data);
  const RunLog log = read_log(o.run / "log.jsonl");
  NURI_CHECK(!log.steps.empty(), "{}: no steps", (o.run / "log.jsonl").string());
  std::vector<CheckpointInfo> starts = list_checkpoints(o.run / "checkpoints");
  std::erase_if(starts, [&](const CheckpointInfo& c) { return c.step >= log.steps.back().step; });
  // From the seed, too, where the run did not begin as another's model.
  if (recipe.init_from.empty()) starts.insert(starts.begin(), CheckpointInfo{});
  NURI_CHECK(!starts.empty(),
             "--replay: only the last checkpoint is kept, behind which there are no steps; runs with keep_last = 2 or "
             "keep_every keep others");
  const CheckpointInfo& start = starts[o.choice % starts.size()];
  const Scratch scratch;
  TrainOptions t;
  t.recipe = recipe;
  if (start.step > 0) {
    // The state names the best checkpoint so far, which may be asked for.
    const int64_t best = read_state(start.directory).best_step;
    std::filesystem::create_directories(scratch.path / "checkpoints");
    for (const CheckpointInfo& c : list_checkpoints(o.run / "checkpoints"))
      if (c.step == start.step || (c.step == best && recipe.recipe.publish == "best"))
        std::filesystem::copy(c.directory, scratch.path / "checkpoints" / c.directory.filename(),
                              std::filesystem::copy_options::recursive);
    t.recipe = load_recipe(start.directory / "trainer" / "recipe.toml", {"config=../config.json"}, {});
  }
  t.out = scratch.path;
  t.resume = start.step > 0;
  t.level = active_level_text();
  t.quiet = true;
  t.stop_after = std::min(o.replay, log.steps.back().step - start.step);  // the run may have been stopped there
  use_ledger({});                                                         // steps made again are no run
  const auto source = open_shards(data, recipe);
  train(t, *source);
  const RunLog again = read_log(scratch.path / "log.jsonl");
  int64_t same = 0;
  for (const StepRow& a : again.steps) {
    const auto b = std::find_if(log.steps.begin(), log.steps.end(), [&](const StepRow& r) { return r.step == a.step; });
    same += b != log.steps.end() && a.loss == b->loss && a.main == b->main && a.mtp == b->mtp &&
            a.balance == b->balance && a.lr == b->lr && a.grad_norm == b->grad_norm &&
            a.expert_counts == b->expert_counts && a.layer_grad_norm == b->layer_grad_norm &&
            a.layer_update == b->layer_update;
  }
  const auto made = static_cast<int64_t>(again.steps.size());
  found.add(
      made > 0 && same == made,
      fmt::format("{} steps made again from {}: loss, gradient norms, updates and "
                  "experts of {} are the same to the bit",
                  made, start.step > 0 ? fmt::format("the checkpoint of step {}", start.step) : "the seed", same));
  for (const ChainRow& row : read_chain(scratch.path)) {
    const auto before = std::find_if(rows.begin(), rows.end(), [&](const ChainRow& r) { return r.step == row.step; });
    if (row.step <= start.step || before == rows.end()) continue;
    found.add(before->facts == row.facts,
              fmt::format("the checkpoint of step {} made again has the files of the chain", row.step));
  }
}

}  // namespace

bool verify_run(const VerifyOptions& o) {
  Findings found;
  const std::vector<ChainRow> rows = read_chain(o.run);
  const RunRecord record = read_run_record(o.run / "run.json");
  NURI_CHECK(std::filesystem::exists(o.run / "config.json"), "{}: no checkpoint yet, so there is nothing to verify",
             o.run.string());
  // The stored recipe names config.json of its own directory.
  const ResolvedRecipe recipe =
      load_recipe(o.run / "recipe.toml", {"config=config.json"}, {.policy = record.kind == "rl"});
  check_links(rows, found);
  check_beginning(rows.front(), o.run, recipe, record, found);
  check_files(o.run, rows, found);
  if (const auto said = record.hashes.find("chain"); said != record.hashes.end())
    found.add(said->second == rows.back().link, "run.json names the last link");
  if (!o.ledger.empty()) found.add(o.ledger == rows.back().link, "the ledger names the last link");
  if (o.replay > 0) replay(o, recipe, record, rows, found);
  return found.all();
}

}  // namespace nuri
