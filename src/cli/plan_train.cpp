// nuri plan train: what a training run will cost, before it begins.
#include "cli/plan_train.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "arch/shape_config.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/documents.h"
#include "cli/plan_own.h"
#include "plan/ranking.h"

namespace nuri {
namespace {

using namespace plan;

struct TrainOptions {
  std::string model, tokens, batch, ramp, hardware, hardware_file, layout = "auto", precision, html;
  std::string devices, rank_by;
  std::vector<std::string> stages, compare, settings;
  int64_t seq = 0;  ///< 0: not given
  double days = 0;
  Prices prices;
  PlanAssumptions assumed;
  int rank = 10;
  bool json = false, offload = false, draw = false;
};

Device device_of(const TrainOptions& o) {
  if (o.hardware_file.empty()) return find_device(o.hardware);
  std::string names;
  std::vector<Device> begin;  // with the name given
  for (const Device& d : read_devices(o.hardware_file)) {
    if (d.name == o.hardware) return d;
    if (d.name.starts_with(o.hardware)) begin.push_back(d);
    names += (names.empty() ? "" : ", ") + d.name;
  }
  NURI_CHECK(begin.size() == 1, "{}: {} device \"{}\"; the file has {}", o.hardware_file,
             begin.empty() ? "no" : "more than one", o.hardware, names);
  return begin.front();
}

std::filesystem::path config_of(const std::string& model) {
  const std::filesystem::path path(model);
  return std::filesystem::is_directory(path) ? path / "config.json" : path;
}

/// `most_devices`: the largest number that is compared, so that all train alike where no batch is given.
PlanRequest request_of(const TrainOptions& o, int64_t most_devices) {
  PlanRequest r;
  const std::filesystem::path config = config_of(o.model);
  r.model = o.model;
  r.job.shape = read_shape(config);
  r.job.device = device_of(o);
  r.job.n_devices = most_devices;
  r.job.precision = parse_precision(o.precision.empty() ? "bf16" : o.precision, "--precision");
  r.job.offload = o.offload;
  r.auto_layout = o.layout == "auto";
  if (!r.auto_layout) r.job.layout = parse_layout(o.layout);
  NURI_CHECK(o.stages.empty() != o.tokens.empty(), "plan train: give --tokens, or one --stage and more");
  NURI_CHECK(o.stages.empty() || (o.seq == 0 && o.batch.empty()),
             "plan train: --stage names its own sequence and batch; leave out --seq and --batch");
  NURI_CHECK(o.stages.empty() || o.ramp.empty(),
             "plan train: with --stage the ramp is part of its batch, for example 12.6M-62.9M/469B; leave out --ramp");
  NURI_CHECK(o.ramp.empty() || !o.batch.empty(), "plan train: --ramp grows to --batch, which is missing");
  for (const std::string& stage : o.stages) r.stages.push_back(parse_stage(stage));
  if (o.stages.empty()) {
    PlanStage stage;
    stage.tokens = parse_quantity(o.tokens, "--tokens");
    stage.seq_len = o.seq > 0 ? o.seq : 4096;
    // As many sequences as fill the devices a few times over, at least four million tokens.
    stage.batch_tokens = o.batch.empty() ? std::max(4'194'304.0, static_cast<double>(stage.seq_len * most_devices))
                                         : parse_quantity(o.batch, "--batch");
    if (!o.ramp.empty()) stage.ramp = parse_ramp(o.ramp);
    r.stages.push_back(stage);
  }
  r.prices = o.prices;
  r.assumed = o.assumed;
  r.runners_up = static_cast<size_t>(o.rank);
  return r;
}

/// A recipe on this machine, or a model on devices of the table.
Plan plan_of(const TrainOptions& o) {
  if (o.hardware != "this") {
    NURI_CHECK(o.settings.empty(), "--set changes a recipe, and goes with --hardware this");
    NURI_CHECK(!o.devices.empty(), "--devices is missing: how many of {}", o.hardware);
    Ranking ranking;
    ranking.devices = parse_devices(o.devices);
    ranking.by = o.rank_by == "money" ? RankBy::money : RankBy::time;
    ranking.most_days = o.days;
    return make_ranked_plan(request_of(o, ranking.devices.back()), ranking);
  }
  NURI_CHECK(o.model.ends_with(".toml"), "--hardware this plans a recipe (TOML), which says what a step is; found {}",
             o.model);
  NURI_CHECK(o.stages.empty() && o.batch.empty() && o.layout == "auto" && o.seq == 0 &&
                 (o.devices.empty() || o.devices == "1") && o.rank_by.empty() && o.days == 0 && o.ramp.empty() &&
                 o.precision.empty() && !o.offload && o.hardware_file.empty(),
             "--hardware this takes sequence, batch, precision and layout from the recipe; leave out --stage, --seq, "
             "--batch, --ramp, --precision, --layout, --offload, --devices, --rank-by, --days and --hardware-file");
  return own_plan(o.model, o.settings, o.tokens.empty() ? 0 : parse_quantity(o.tokens, "--tokens"), o.prices);
}

int plan_train(const TrainOptions& o) {
  NURI_CHECK(!o.json || (o.compare.empty() && !o.draw),
             "plan train: --json prints this plan alone; leave out --compare and --draw, or --json");
  const Plan plan = plan_of(o);
  std::vector<OrderedJson> others;
  for (const std::string& file : o.compare) {
    try {
      others.push_back(OrderedJson::parse(read_json_file(file).dump()));
      compare_text({others.back()});
    } catch (const nlohmann::json::exception&) {
      fail("{}: this is no plan; `nuri plan train ... --json > FILE` writes one", file);
    }
  }
  if (!o.html.empty()) write_file_atomic(o.html, plan_page(plan, others));
  if (o.json) {
    fmt::print("{}", json_text(plan_json(plan)));
    return kExitOk;
  }
  fmt::print("{}", plan_text(plan));
  if (o.draw) fmt::print("{}", pipelines_text(plan));
  if (!others.empty()) {
    others.insert(others.begin(), plan_json(plan));
    fmt::print("\n{}", compare_text(others));
  }
  return kExitOk;
}

}  // namespace

void add_plan_train(Arguments& args, const std::shared_ptr<Action>& action) {
  auto o = std::make_shared<TrainOptions>();
  Arguments train =
      args.verb("train", "time, memory, energy and money of a training run, for a layout or the best of all");
  train.pass_upwards();
  train
      .option("MODEL", o->model,
              "config.json or model directory (DeepSeek-V2/V3, Llama, Qwen, EXAONE, Mixtral, GPT types); with "
              "--hardware this a recipe")
      .required();
  train.option("--tokens", o->tokens, "tokens of the run, for example 14.8T");
  train.option("--seq", o->seq, "tokens of a sequence (default 4096)").between(1, 100000000);
  train.option("--batch", o->batch,
               "tokens of an optimizer step, for example 62.9M (default: 4M, or a sequence a device)");
  train.option("--ramp", o->ramp,
               "BATCH:TOKENS, for example 12.6M:469B: the first batch, and the tokens over which it grows linearly to "
               "--batch (default: none)");
  train
      .option(
          "--stage", o->stages,
          "NAME=TOKENS:SEQUENCE:BATCH in place of --tokens, --seq and --batch; repeated for a run of several stages; "
          "the batch may grow: FIRST-FULL/TOKENS, as 12.6M-62.9M/469B")
      .one_value_each();
  train
      .option("--hardware", o->hardware,
              "device (`nuri plan hardware`; a beginning that only one has is enough), or this: this machine, measured")
      .required();
  train.option("--hardware-file", o->hardware_file,
               "CSV with devices of your own, columns as `nuri plan hardware --csv`");
  train.option("--devices", o->devices,
               "number of devices, or several with commas, of which the best is planned (default: none; needed but for "
               "--hardware this)");
  train
      .option("--rank-by", o->rank_by,
              "what is best of several --devices: time (default), or money: rent, or with --buy purchase and power, "
              "with staff and failed runs")
      .one_of({"time", "money"});
  train.option("--days", o->days, "a deadline: longer runs are out (default: none)").between(0.001, 1e6);
  train.option("--precision", o->precision, "of the products: bf16 (default), fp8, mxfp8, nvfp4, fp32");
  train.option(
      "--layout", o->layout,
      "\"tp=1 pp=16 ep=64 zero=1 mbs=1 recompute=selective schedule=dualpipe\", or auto: the fastest of all (default)");
  train.flag("--offload", o->offload, "optimizer states and weights that do not fit may lie in the host's memory");
  train.option("--rank", o->rank, "runners-up to print with what they lose (default 10)").between(0, 1000);
  train.option("--price", o->prices.rent_usd, "rent of a device, US dollars an hour (default: middle of the listings)")
      .between(0.0, 1e9);
  train.option("--won", o->prices.won_per_usd, "won to the dollar (default 1450)").between(1.0, 1e6);
  train
      .option("--buy", o->prices.buy_usd,
              "price of a device with its share of server and network, US dollars: adds the purchase line (default: "
              "none, or the list price)")
      .between(0.0, 1e9);
  train.option("--years", o->prices.years, "over which a purchase is written off (default 5)").between(0.1, 50.0);
  train.option("--use", o->prices.use, "share of that time in use (default 0.7)").between(0.01, 1.0);
  train
      .option(
          "--kwh", o->prices.usd_per_kwh,
          "US dollars a kWh (default 0.12; Korea's industry has paid 182.7 won on average since October 2024: 0.126)")
      .between(0.0, 100.0);
  train.option("--staff", o->prices.staff_usd_month, "US dollars a month for all people (default 0)")
      .between(0.0, 1e12);
  train
      .option("--failed-runs", o->prices.failed_share,
              "allowance for failed and trial runs, as a share of the run (default 0)")
      .between(0.0, 100.0);
  train.option("--mtbf", o->assumed.hours_between_failures, "hours between failures of one device (default 50000)")
      .between(1.0, 1e9);
  train.option("--pue", o->assumed.pue, "power of the building over that of its machines (default 1.3)")
      .between(1.0, 10.0);
  train.option("--set", o->settings, "key=value over the recipe's, with --hardware this (repeated)").one_value_each();
  train.option("--html", o->html, "also write one page with sliders");
  train.option("--compare", o->compare, "JSON of another plan, set beside this one (repeated)").one_value_each();
  train.flag("--draw", o->draw, "also draw the pipeline, a line for each stage");
  train.flag("--json", o->json, "print JSON");
  train.then([action, o] { *action = [o] { return plan_train(*o); }; });
}

}  // namespace nuri
