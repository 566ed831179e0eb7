#include "cli/ledger_verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "cli/findings.h"
#include "cli/ledger_replay.h"
#include "io/checkpoint.h"
#include "ledger/provenance.h"
#include "train/session.h"

namespace nuri {
namespace {

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

/// Whether the weights that a run began with come out again: drawn by the seed, or of the model that it began as.
bool same_beginning(const std::string& hash, const std::filesystem::path& run, const ResolvedRecipe& recipe,
                    const RunRecord& record, Findings& found) {
  const std::filesystem::path& base = record.parent_model;
  const bool begun_as_another = !recipe.recipe.init_from.empty();
  const std::string as = fmt::format("{} ({})", base.string(),
                                     record.parent.empty() ? "no run known" : "run " + record.parent.substr(0, 8));
  if (begun_as_another && !std::filesystem::exists(base / "config.json")) {
    found.note(fmt::format("began as {}, which is not there any more: its weights are not computed again", as));
    return false;
  }
  DeepseekV3 model(recipe.model, recipe.recipe.model_options());
  begin_weights(model, recipe.recipe.seed, begun_as_another ? base : std::filesystem::path(), Tokenizer::load(run));
  const bool same = hash == weights_sha256(model);
  if (!begun_as_another)
    found.add(same, "the weights that this seed gives are those it began with");
  else if (same)
    found.add(true, fmt::format("the weights of {} are those it began with", as));
  else
    found.note(fmt::format("began as {}, whose weights now are not those it began with", as));
  return same;
}

/// The first row against the recipe, the record, and the weights that the seed or another model gives. Returns whether
/// the run can be begun again.
bool check_beginning(const ChainRow& first, const std::filesystem::path& run, const ResolvedRecipe& recipe,
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
    return false;
  }
  found.add(fact("seed") == std::to_string(recipe.recipe.seed), fmt::format("seed {}", fact("seed")));
  found.add(fact("config_sha256") == sha256_file(run / "config.json"), "the model's configuration");
  const std::string recipe_now = recipe_sha256(record.recipe);
  if (fact("recipe_sha256") == recipe_now || record.sessions <= 1)
    found.add(fact("recipe_sha256") == recipe_now, "the recipe");
  else
    found.note("the recipe is another than at the beginning: it was changed when the run was resumed, or afterwards");
  found.add(recipe_sha256(read_file(run / "recipe.toml")) == recipe_now, "recipe.toml is the recipe of run.json");
  found.add(fact("data") == record.data_manifest, fmt::format("the data's hash, {}", fact("data").substr(0, 16)));
  found.add(fact("profile") == record.profile, fmt::format("arithmetic {}", fact("profile")));
  return same_beginning(fact("initial_weights_sha256"), run, recipe, record, found);
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

void check_files(const std::filesystem::path& run, const std::vector<ChainRow>& rows, const ResolvedRecipe& recipe,
                 Findings& found) {
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
    // What the chain does not hold, but a run goes on by: model and recipe, but for keys that change no bits.
    const ResolvedRecipe its = load_recipe(checkpoint.directory / "trainer" / "recipe.toml", {"config=../config.json"},
                                           {.policy = recipe.policy.has_value()});
    std::string changes;
    for (const std::string& change : changed_bits(its, recipe)) changes += (changes.empty() ? "" : ", ") + change;
    const auto config = rows.front().facts.find("config_sha256");
    if (config == rows.front().facts.end() || sha256_file(checkpoint.directory / "config.json") != config->second)
      changes += (changes.empty() ? "" : ", ") + std::string("config.json");
    if (!changes.empty())
      found.add(false,
                fmt::format("the checkpoint of step {} was made by another recipe: {}", checkpoint.step, changes));
  }
  const std::string text = fmt::format("{} of the {} checkpoints of the chain are still there and have its hashes",
                                       checked, rows.size() - 1);
  if (checked > 0)
    found.add(true, text);
  else
    found.note(text);
  check_model(run, rows, found);
}

/// What a record of the run says of its chain: the last link of a run that ended, and the link of each checkpoint.
void check_witness(const char* name, const RunRecord& record, const std::vector<ChainRow>& rows, Findings& found) {
  const auto said = record.hashes.find("chain");
  if (said != record.hashes.end())
    found.add(said->second == rows.back().link, fmt::format("{} names the last link", name));
  else
    found.note(fmt::format("{} names no last link: the run did not end by itself", name));
  const auto there = std::count_if(record.checkpoints.begin(), record.checkpoints.end(), [&](const auto& checkpoint) {
    return std::any_of(rows.begin(), rows.end(), [&](const ChainRow& row) {
      return checkpoint_name(row.step) == checkpoint.first && row.link == checkpoint.second;
    });
  });
  const auto all = static_cast<int64_t>(record.checkpoints.size());
  found.add(there == all && (all > 0 || rows.size() == 1),
            fmt::format("{} of the {} checkpoints that {} names are in the chain", there, all, name));
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
  const bool from_beginning = check_beginning(rows.front(), o.run, recipe, record, found);
  check_files(o.run, rows, recipe, found);
  check_witness("run.json", record, rows, found);
  if (!o.ledger)
    found.note("the ledger does not know this run, or was not asked");
  else if (o.ledger->id != record.id)
    found.add(false, "the ledger knows another run by this name");
  else
    check_witness("the ledger", *o.ledger, rows, found);
  if (o.replay > 0) replay_steps(o, {record, recipe, rows, from_beginning}, found);
  return found.all();
}

}  // namespace nuri
