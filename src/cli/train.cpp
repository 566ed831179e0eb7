// nuri train RECIPE --data DIR --out DIR: a run of train/trainer.h on shards; nuri report RUN.
#include <fmt/format.h>

#include "cli/training.h"
#include "cli/verbs.h"
#include "train/report.h"

namespace nuri {
namespace {

struct Options {
  std::string recipe, data;
  TrainingOptions training;
};

int run(const Options& o) {
  const ResolvedRecipe recipe = load_recipe(o.recipe, o.training.all_settings());
  if (o.training.print_config) {
    fmt::print("{}", recipe_text(recipe));
    return kExitOk;
  }
  NURI_CHECK(!o.data.empty(), "--data is missing: name a directory made by `nuri data build`");
  NURI_CHECK(!o.training.out.empty() || o.training.predict, "--out is missing: name the directory of the run");
  return run_training(o.training, recipe, *open_shards(o.data, recipe));
}

}  // namespace

Action add_train(Arguments args) {
  auto o = std::make_shared<Options>();
  args.option("RECIPE", o->recipe, "recipe (TOML)").required();
  args.option("--data", o->data, "directory of shards");
  o->training.add(args);
  o->training.add_predict(args);
  args.footer(
      "Ctrl-C finishes the step, saves and says how to continue (exit code 130); twice: at once.\n"
      "SIGUSR1 saves while training goes on, and writes the report once the checkpoint is whole.\n\n" +
      recipe_keys_help() +
      "example: nuri train recipes/nano/recipe.toml --data shards --out runs/nano --set steps=200");
  return [o] { return run(*o); };
}

Action add_report(Arguments args) {
  auto run_dir = std::make_shared<std::string>();
  args.option("RUN", *run_dir, "directory of a run, going on or ended").required();
  return [run_dir] {
    write_report(*run_dir);
    fmt::print("{}\n", (fs::path(*run_dir) / "report.html").string());
    return kExitOk;
  };
}

}  // namespace nuri
