// nuri plan: what a training run will cost, before it begins; and how far such predictions were from published runs.
#include "plan/plan.h"

#include <fmt/format.h>

#include "cli/plan_own.h"
#include "cli/plan_published.h"
#include "cli/plan_train.h"
#include "cli/verbs.h"

namespace nuri {
namespace {

using namespace plan;

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
  add_plan_train(args, action);
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
