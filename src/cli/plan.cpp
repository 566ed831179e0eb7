// nuri plan: what a training run will cost, before it begins; and how far such predictions were from published runs.
#include "plan/plan.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "arch/counts.h"
#include "arch/shape_config.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/documents.h"
#include "cli/plan_own.h"
#include "cli/plan_published.h"
#include "cli/verbs.h"

namespace nuri {
namespace {

using namespace plan;

struct TrainOptions {
  std::string model, tokens, batch, ramp, hardware, hardware_file, layout = "auto", precision, html;
  std::vector<std::string> stages, compare, settings;
  int64_t seq = 0, devices = 0;  ///< seq 0: not given
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

PlanRequest request_of(const TrainOptions& o) {
  PlanRequest r;
  const std::filesystem::path config = config_of(o.model);
  r.model = o.model;
  r.job.shape = read_shape(config);
  r.job.device = device_of(o);
  r.job.n_devices = o.devices;
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
    stage.batch_tokens = o.batch.empty() ? std::max(4'194'304.0, static_cast<double>(stage.seq_len * o.devices))
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
    NURI_CHECK(o.devices > 0, "--devices is missing: how many of {}", o.hardware);
    return make_plan(request_of(o));
  }
  NURI_CHECK(o.model.ends_with(".toml"), "--hardware this plans a recipe (TOML), which says what a step is; found {}",
             o.model);
  NURI_CHECK(o.stages.empty() && o.batch.empty() && o.layout == "auto" && o.devices <= 1 && o.seq == 0 &&
                 o.ramp.empty() && o.precision.empty() && !o.offload && o.hardware_file.empty(),
             "--hardware this takes sequence, batch, precision and layout from the recipe; leave out --stage, --seq, "
             "--batch, --ramp, --precision, --layout, --offload, --devices and --hardware-file");
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

int plan_hardware(bool csv) {
  if (csv)
    fmt::print(
        "name,fp32_tflops,bf16_tflops,fp8_tflops,fp4_tflops,mem_gb,mem_bw_gbs,intra_link_gbs_per_dir,inter_node_gbs_"
        "per_gpu_typical,node,host_gbs,tdp_w,rent_usd_h_low,rent_usd_h_high,price_usd\n");
  else
    fmt::print("{:<22} {:>8} {:>8} {:>8} {:>7} {:>7} {:>6} {:>8} {:>5} {:>6} {:>13}\n", "device", "bf16", "fp8", "fp4",
               "GB", "GB/s", "link", "network", "node", "W", "USD/h");
  for (const Device& d : devices()) {
    if (csv)
      fmt::print("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", d.name, d.fp32, d.bf16, d.fp8, d.fp4, d.memory_gb,
                 d.memory_gbs, d.link_gbs, d.network_gbs, d.node, d.host_gbs, d.watts, d.rent_low, d.rent_high,
                 d.price_usd);
    else
      fmt::print("{:<22} {:>8} {:>8} {:>8} {:>7} {:>7} {:>6} {:>8} {:>5} {:>6} {:>13}\n", d.name, d.bf16, d.fp8, d.fp4,
                 d.memory_gb, d.memory_gbs, d.link_gbs, d.network_gbs, d.node, d.watts,
                 d.rent_low > 0 ? fmt::format("{} to {}", d.rent_low, d.rent_high) : "-");
  }
  if (!csv)
    fmt::print(
        "peaks in 10^12 FLOP/s without sparsity, link and network in GB/s a direction and device; 0: not published\n");
  return kExitOk;
}

}  // namespace

Action add_plan(Arguments args) {
  args.need_verb();
  auto action = std::make_shared<Action>();
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
  train.option("--devices", o->devices, "number of devices (default: none; needed but for --hardware this)")
      .between(1, 10000000);
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

  add_plan_published(args, action);
  add_plan_profile(args, action);

  auto csv = std::make_shared<bool>(false);
  Arguments hardware = args.verb("hardware", "the devices that plans know");
  hardware.pass_upwards();
  hardware.flag("--csv", *csv, "as a CSV file, to be changed and given to --hardware-file");
  hardware.then([action, csv] { *action = [csv] { return plan_hardware(*csv); }; });
  return [action] { return (*action)(); };
}

}  // namespace nuri
