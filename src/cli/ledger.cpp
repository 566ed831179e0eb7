// nuri ledger: what was run, what it took, where a model comes from.
#include "cli/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/ledger_verify.h"
#include "cli/verbs.h"
#include "ledger/provenance.h"

namespace nuri {
namespace {

struct Options {
  std::string file, project, kind, outcome, run, date, csv, html;
  std::vector<std::string> directories;
  int64_t last = 0;
  double won = 0, price = 0;
  int64_t replay = 0;
  std::vector<std::string> data, held_out;
  std::string tokenizer;
  bool json = false;
};

std::filesystem::path path_of(const Options& o) {
  const std::filesystem::path path = o.file.empty() ? default_ledger_path() : std::filesystem::path(o.file);
  NURI_CHECK(!path.empty(), "the ledger is switched off (NURI_LEDGER=none); name a file with --ledger");
  return path;
}

Ledger existing(const Options& o) {
  const std::filesystem::path path = path_of(o);
  NURI_CHECK(std::filesystem::exists(path), "{}: there is no ledger yet; runs make it, or `nuri ledger import DIR...`",
             path.string());
  return Ledger(path, Database::Open::read);
}

std::vector<LedgerRun> chosen(Ledger& ledger, const Options& o) {
  int64_t damaged = 0;
  std::vector<LedgerRun> runs = ledger.runs(&damaged);
  if (damaged > 0)
    fmt::print(stderr,
               "nuri: {} rows of the ledger cannot be read and are left out; `nuri ledger import DIR...` notes "
               "their runs again\n",
               damaged);
  std::erase_if(runs, [&](const LedgerRun& run) {
    const RunRecord& r = run.record;
    return (!o.project.empty() && r.project != o.project) || (!o.kind.empty() && r.kind != o.kind) ||
           (!o.outcome.empty() && r.outcome != o.outcome);
  });
  if (o.last > 0 && static_cast<int64_t>(runs.size()) > o.last) runs.erase(runs.begin(), runs.end() - o.last);
  return runs;
}

int list(const Options& o) {
  Ledger ledger = existing(o);
  const std::vector<LedgerRun> runs = chosen(ledger, o);
  if (!o.csv.empty()) write_file_atomic(o.csv, ledger_csv(runs, ledger));
  if (!o.html.empty()) write_file_atomic(o.html, ledger_page(runs, ledger));
  if (o.json)
    fmt::print("{}", json_text(ledger_json(runs, ledger)));
  else
    fmt::print("{}", ledger_table(runs, ledger));
  return kExitOk;
}

int lineage(const Options& o) {
  Ledger ledger = existing(o);
  const auto run = ledger.find(o.run);
  NURI_CHECK(run,
             "{}: no run of the ledger has this directory, or an id that begins so; `nuri ledger list` shows all, "
             "`nuri ledger import DIR` adds one",
             o.run);
  fmt::print("{}", lineage_text(*run, ledger.runs(), ledger.price()));
  return kExitOk;
}

/// run.json files in and below a directory.
std::vector<std::filesystem::path> records_below(const std::filesystem::path& directory) {
  NURI_CHECK(std::filesystem::is_directory(directory), "{}: no such directory", directory.string());
  std::vector<std::filesystem::path> out;
  std::error_code failed;
  std::filesystem::recursive_directory_iterator at(directory,
                                                   std::filesystem::directory_options::skip_permission_denied, failed);
  for (; !failed && at != std::filesystem::recursive_directory_iterator(); at.increment(failed)) {
    if (at->path().filename() == "checkpoints") at.disable_recursion_pending();
    std::error_code unknown;
    if (at->path().filename() == "run.json" && at->is_regular_file(unknown)) out.push_back(at->path());
  }
  if (failed) fmt::print(stderr, "nuri: not all below {} was read: {}\n", directory.string(), failed.message());
  std::sort(out.begin(), out.end());
  return out;
}

/// The verb of a command, where it is one that trains.
std::string kind_of(const std::vector<std::string>& command) {
  for (const std::string& word : command)
    if (word == "train" || word == "sft" || word == "rl") return word;
  return "train";
}

int import(const Options& o) {
  Ledger ledger(path_of(o));
  int64_t n = 0, bad = 0;
  for (const std::string& directory : o.directories)
    for (const std::filesystem::path& file : records_below(directory)) {
      try {
        RunRecord r = read_run_record(file);
        NURI_CHECK(!r.id.empty() || !r.command.empty() || !r.recipe.empty(),
                   "{}: this is no record of a run: it has neither run_id nor command nor recipe", file.string());
        const std::filesystem::path place = file.parent_path();
        // Runs before the ledger have no id: one that stays the same when they are imported again.
        if (r.id.empty())
          r.id = sha256(std::filesystem::absolute(place).lexically_normal().string() + r.started).substr(0, 32);
        if (r.kind.empty()) r.kind = kind_of(r.command);
        ledger.import(r, place);
        ++n;
      } catch (const Error& error) {
        fmt::print(stderr, "nuri: passed over: {}\n", error.what());
        ++bad;
      }
    }
  fmt::print("{} runs noted, {} passed over\n", n, bad);
  return bad > 0 ? kExitDiffers : kExitOk;
}

bool is_date(const std::string& text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  for (const size_t i : {0, 1, 2, 3, 5, 6, 8, 9})
    if (!std::isdigit(static_cast<unsigned char>(text[i]))) return false;
  return text.substr(5, 2) >= "01" && text.substr(5, 2) <= "12" && text.substr(8) >= "01" && text.substr(8) <= "31";
}

int set(const Options& o) {
  Ledger ledger(path_of(o));
  if (o.won > 0) {
    const std::string date = o.date.empty() ? utc_now().substr(0, 10) : o.date;
    NURI_CHECK(is_date(date), "--date: found \"{}\"; a day is needed, for example 2026-01-31", date.substr(0, 40));
    ledger.set_rate({date, o.won});
  }
  if (o.price > 0) ledger.set_price(o.price);
  fmt::print("{} USD a thread and hour\n", ledger.price());
  for (const LedgerRate& rate : ledger.rates())
    fmt::print("from {}: {} won to the dollar\n", rate.date, rate.won_per_usd);
  return kExitOk;
}

int check(const Options& o) {
  Ledger ledger = existing(o);
  const std::string found = ledger.check();
  fmt::print("{}: {}\n", path_of(o).string(), found);
  return found == "ok" ? kExitOk : kExitDiffers;
}

int verify(const Options& o) {
  NURI_CHECK(o.replay > 0 || (o.data.empty() && o.held_out.empty() && o.tokenizer.empty()),
             "--data, --held-out and --tokenizer go with --replay: nothing else reads them");
  VerifyOptions v{.run = o.run,
                  .replay = o.replay,
                  .data = o.data,
                  .held_out = o.held_out,
                  .tokenizer = o.tokenizer,
                  .choice = std::stoull(new_run_id().substr(0, 8), nullptr, 16)};
  const std::filesystem::path path = o.file.empty() ? default_ledger_path() : std::filesystem::path(o.file);
  if (!path.empty() && std::filesystem::exists(path)) try {
      Ledger ledger(path, Database::Open::read);
      if (const auto run = ledger.find(o.run)) {
        v.ledger = run->record;
        if (!std::filesystem::is_directory(v.run)) v.run = run->directory;
      }
    } catch (const Error& error) {  // a witness less
      fmt::print(stderr, "nuri: the ledger is not asked: {}\n", error.what());
    }
  NURI_CHECK(std::filesystem::is_directory(v.run),
             "{}: no such directory, and no run of the ledger with an id that begins so", o.run);
  return verify_run(v) ? kExitOk : kExitDiffers;
}

}  // namespace

Action add_ledger(Arguments args) {
  args.need_verb();
  auto action = std::make_shared<Action>();
  auto o = std::make_shared<Options>();
  args.option("--ledger", o->file,
              "SQLite file (default: NURI_LEDGER, else nuri/ledger.sqlite in XDG_DATA_HOME or ~/.local/share)");
  const auto verb = [&](const char* name, const char* summary, int (*run)(const Options&)) {
    Arguments part = args.verb(name, summary);
    part.pass_upwards();
    part.then([action, o, run] { *action = [o, run] { return run(*o); }; });
    return part;
  };
  Arguments listed = verb("list", "runs, sums by project, kind and outcome, compute by model family", list);
  listed.option("--project", o->project, "only runs of this project (NURI_PROJECT when they started)");
  listed.option("--kind", o->kind, "only train, sft, rl, eval, generate, tokenizer or data")
      .one_of({"train", "sft", "rl", "eval", "generate", "tokenizer", "data"});
  listed.option("--outcome", o->outcome, "only finished, stopped, failed, killed, unknown (imported) or running")
      .one_of({"finished", "stopped", "failed", "killed", "unknown", "running"});
  listed.option("--last", o->last, "only the newest so many (default 0: all)").between(0, 1 << 30);
  listed.option("--csv", o->csv, "also write a CSV file");
  listed.option("--html", o->html, "also write a page");
  listed.flag("--json", o->json, "print JSON");
  verb("lineage", "from a run or model directory back to data and seed", lineage)
      .option("RUN", o->run, "directory, or the beginning of an id")
      .required();
  verb("import", "note the run.json files in and below directories", import)
      .option("DIR", o->directories, "directories")
      .required();
  Arguments verified =
      verb("verify", "a run's chain of hashes from seed to final model; with --replay some steps again, bit for bit",
           verify);
  verified.option("RUN", o->run, "directory of a run, or the beginning of an id").required();
  verified
      .option("--replay", o->replay,
              "steps to make again from the seed or a checkpoint, chosen at random (default 0: none)")
      .between(0, 1 << 30);
  verified
      .option("--data", o->data,
              "shards, chats or problems of the run, where they are now (default: as run.json says; may be repeated)")
      .one_value_each();
  verified.option("--held-out", o->held_out, "files held out, the same").one_value_each();
  verified.option("--tokenizer", o->tokenizer, "directory of the tokenizer, the same");
  Arguments sets = verb("set", "price of computing and exchange rates; without options, show them", set);
  sets.option("--price", o->price, "US dollars a thread and hour (default: as it is; 0 at first)").between(0.0, 1e6);
  sets.option("--won", o->won, "won to the dollar, from --date on (default: as it is; 1450 where none is set)")
      .between(0.0, 1e6);
  sets.option("--date", o->date, "day from which the rate holds (default: today)");
  verb("check", "SQLite's integrity check", check);
  return [action] { return (*action)(); };
}

}  // namespace nuri
