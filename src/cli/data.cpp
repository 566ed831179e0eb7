// nuri data build | show.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/machine.h"
#include "cli/documents.h"
#include "cli/made.h"
#include "cli/verbs.h"
#include "data/build.h"
#include "data/loader.h"
#include "data/show.h"
#include "ledger/run_record.h"
#include "train/memory_plan.h"
#include "train/recipe.h"

namespace nuri {
namespace {

struct Build {
  std::vector<std::string> sources;
  std::string tokenizer, out, memory;
  double validation = 0.01;
  bool overwrite = false, json = false;
};

int build(const Build& o) {
  return_freed_memory();
  data::BuildOptions options;
  for (const std::string& text : o.sources) options.sources.push_back(data::parse_source(text));
  options.tokenizer = o.tokenizer;
  options.out = o.out;
  options.validation = o.validation;
  options.overwrite = o.overwrite;
  if (!o.memory.empty()) options.dedup_bytes = static_cast<uint64_t>(parse_bytes(o.memory)) / 2;
  ProgressPrinter progress;
  const double begin = seconds_now();
  const data::Manifest m = make_shards(o.sources, options, [&](const data::BuildProgress& p) {
    const double done = static_cast<double>(p.bytes_read), left = static_cast<double>(p.bytes_total) - done;
    const double eta = done > 0 ? (seconds_now() - begin) * left / done : 0;
    progress.show(fmt::format("{}: {:.1f} of {:.1f} MB, {} documents, {} tokens, ETA {:.0f} s", p.source, done / 1e6,
                              static_cast<double>(p.bytes_total) / 1e6, p.documents, p.tokens, eta));
  });
  progress.end();
  if (o.json) {
    fmt::print("{}", data::manifest_text(m));
    return kExitOk;
  }
  fmt::print("{:<24} {:>9} {:>9} {:>10} {:>9} {:>8} {:>8} {:>8}\n", "source", "documents", "train", "validation",
             "tokens", "dropped", "lines", "bad rows");
  for (const data::SourceReport& s : m.sources) {
    const data::Amount train = s.total(data::Split::train), held = s.total(data::Split::validation);
    fmt::print("{:<24} {:>9} {:>9} {:>10} {:>9} {:>8} {:>8} {:>8}\n", s.source.name, s.documents_read, train.documents,
               held.documents, train.tokens + held.tokens, s.duplicates + s.empty + s.other_language, s.repeated_lines,
               s.rejected);
  }
  fmt::print("{:.1f} s -> {} (manifest hash {})\n", seconds_now() - begin, o.out, m.hash);
  return kExitOk;
}

struct Show {
  std::string run, data;
  int64_t step = 1;
  bool json = false;
};

int show(const Show& o) {
  const fs::path run = o.run;
  const RunRecord record = read_run_record(run / "run.json");
  NURI_CHECK(record.kind == "train" || record.kind.empty(),
             "{}: a run of `nuri {}`, which learns from {} instead of shards; this verb shows documents of shards",
             run.string(), record.kind, record.kind == "sft" ? "chats" : "problems");
  const ResolvedRecipe recipe = load_recipe(run / "recipe.toml", {"config=config.json"});
  NURI_CHECK(o.step >= 1, "--step {}: steps are counted from 1", o.step);
  NURI_CHECK(record.outcome != "finished" || o.step <= record.steps, "{}: --step {}: the run ended with step {}",
             run.string(), o.step, record.steps);
  const std::string where = o.data.empty() ? shards_of(record) : o.data;
  NURI_CHECK(!where.empty(), "{}: does not say where the shards lie; name them with --data",
             (run / "run.json").string());
  const data::Dataset dataset = data::Dataset::open(where);
  data::LoaderOptions options;
  options.length = recipe.recipe.length;
  options.seed = static_cast<uint64_t>(recipe.recipe.seed);
  options.weights = recipe.recipe.source_weights();
  const data::Loader loader(dataset, options);
  const Tokenizer tokenizer = Tokenizer::load(dataset.tokenizer_dir());
  const BatchRamp ramp = recipe.recipe.batch_ramp();
  const int64_t seen = ramp.seen_after(o.step - 1), n_rows = ramp.rows_at(seen);
  const uint64_t first = static_cast<uint64_t>(seen);
  fmt::print("{}", o.json ? data::show_rows_json(dataset, loader, tokenizer, first, n_rows) + "\n"
                          : data::show_rows(dataset, loader, tokenizer, first, n_rows));
  return kExitOk;
}

}  // namespace

Action add_data(Arguments args) {
  args.need_verb();
  auto action = std::make_shared<Action>();
  auto b = std::make_shared<Build>();
  Arguments build_args = args.verb("build", "clean text, split it, write token shards and a manifest");
  build_args
      .option("SOURCE", b->sources,
              "PATH or PATH::key=value,... with keys name, weight, licence, field, language (ko, en, other), "
              "hangul_lines, markers; PATH: file, directory or pattern of .txt .md .html .jsonl, plain, .gz, .zst")
      .required();
  build_args.option("--tokenizer", b->tokenizer, "directory with tokenizer.json").required();
  build_args.option("--out", b->out, "directory of the shards").required();
  build_args.option("--validation", b->validation, "share of documents held out by hash (default 0.01)")
      .between(0.0, 0.5);
  build_args.option("--memory", b->memory,
                    "for the hashes that find repeated documents and lines (default 96M); more of them go to scratch "
                    "files, and the result is the same");
  build_args.flag("--overwrite", b->overwrite, "replace a complete data directory");
  build_args.flag("--json", b->json, "print the manifest");
  build_args.then([=] { *action = [b] { return build(*b); }; });

  auto s = std::make_shared<Show>();
  Arguments show_args = args.verb("show", "the documents (source, line) that a training step saw");
  show_args.option("--run", s->run, "directory of the run").required();
  show_args.option("--step", s->step, "optimizer step, from 1 (default 1)");
  show_args.option("--data", s->data, "directory of shards (default: the one the run names)");
  show_args.flag("--json", s->json, "print JSON");
  show_args.then([=] { *action = [s] { return show(*s); }; });
  return [action] { return (*action)(); };
}

}  // namespace nuri
