// A training plan: stages of one model on one kind of device, with time, memory, energy and money. Every number is
// predicted or, where said, assumed.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/json.h"
#include "plan/constants.h"
#include "plan/layout.h"
#include "plan/memory.h"
#include "plan/ramp.h"
#include "plan/schedule.h"
#include "plan/search.h"
#include "plan/step_time.h"
#include "report/page.h"

namespace nuri::plan {

/// A part of the run with its own lengths and batch.
struct PlanStage {
  std::string name = "training";
  double tokens = 0;
  int64_t seq_len = 4096;
  double batch_tokens = 0;
  Ramp ramp = {};  ///< to that batch
};
/// "NAME=TOKENS:SEQ:BATCH", numbers as "14.8T", "62.9M"; the batch may be "FIRST-FULL/TOKENS". Errors: anything else,
/// with an example.
PlanStage parse_stage(const std::string& text);
/// "12.6M:469B": the first batch, and the tokens over which it grows. Errors: anything else, with an example.
Ramp parse_ramp(const std::string& text);
/// "1.5", "62.9M", "14.8T" (k, M, B or G, T: powers of a thousand). Errors: no number, not above 0.
double parse_quantity(const std::string& text, const std::string& where);
/// "14.8 T"
std::string quantity_text(double value);

struct Prices {
  double rent_usd = 0;          ///< a device and hour; 0: middle of the listings of hardware.cpp
  double won_per_usd = 1450;    ///< published figures imply 1,435 to 1,450
  double buy_usd = 0;           ///< a device with its share of server and network; 0: no purchase line
  double years = 5, use = 0.7;  ///< purchase is written off over these years of this use
  double usd_per_kwh = 0.12;
  double staff_usd_month = 0;  ///< all people together
  double failed_share = 0;     ///< of the run's device-hours, for failed and trial runs
};

/// What is assumed of machines and failures, none of it fitted.
struct PlanAssumptions {
  double hours_between_failures = 50'000;  ///< of one device: Llama 3.1, 419 interruptions of 16,384 devices in 54 days
  double restart_minutes = 15;
  double checkpoint_seconds = 30;  ///< that training stands still for a checkpoint
  double power_share = 0.85;       ///< of the design power, while training
  double host_share = 0.25;        ///< power of hosts and network beside the devices'
  double pue = 1.3;                ///< power of the building over that of the machines
};

struct PlanRequest {
  std::string model;
  Job job;  ///< of the first stage: shape, device, number, precision, layout
  bool auto_layout = true;
  std::vector<PlanStage> stages;
  Prices prices;
  PlanAssumptions assumed;
  double memory_share = 0.95;
  size_t runners_up = 10;
};

/// The fastest layout of a full batch where the first batch of a ramp is too small for it.
struct RuledOut {
  Candidate candidate;
  double least_batch = 0;  ///< that it works with
};

struct StageResult {
  PlanStage stage;  ///< a ramp that outlasts it ends with it, at the batch reached
  Job job;
  StepCost cost;  ///< of a step of the full batch, as step_seconds
  double steps = 0, step_seconds = 0, tokens_per_s_device = 0;
  std::optional<RampTime> ramp;  ///< within steps, tokens_per_s_device, mfu, device_hours and days
  double mfu = 0;                ///< model FLOPs over the 16-bit peak, as published runs mostly state it
  double device_hours = 0;       ///< with what failures and the rest of a run take
  double days = 0;
  double flops = 0;
  std::vector<Candidate> runners_up;
  std::optional<RuledOut> ruled_out;
  int64_t evaluated = 0;
};

struct Money {
  double rent = 0, purchase = 0, power = 0, staff = 0, failed = 0;  ///< US dollars
};

enum class RankBy : uint8_t { time, money };

/// What one of several numbers of devices comes to.
struct DeviceChoice {
  int64_t devices = 0;
  std::optional<Layout> layout = {};  ///< of the first stage; none: does not work
  double days = 0, device_hours = 0;
  double usd = 0;    ///< of the lines that apply (spent_usd in ranking.h); 0: no price is known
  double loses = 0;  ///< share of the best's time or money; of no use where it is too late
  bool in_time = true;
  std::string refused = {};  ///< why it does not work
};

struct Plan {
  PlanRequest request;
  std::vector<StageResult> stages;
  DeviceMemory memory;  ///< of the stage that needs most
  double goodput = 0, failures = 0, checkpoint_minutes = 0;
  double device_hours = 0, days = 0, flops = 0, energy_mwh = 0;
  double rent_usd = 0;  ///< the price used
  Money money;
  std::vector<report::Label> warnings;
  std::vector<DeviceChoice> by_devices;  ///< where several numbers were compared (ranking.h), ascending
  RankBy ranked_by = RankBy::time;
};

/// Errors: an impossible layout (with the nearest that works; also where the first batch of a ramp is too small for
/// it), a device without a peak for the precision, no layout that fits into memory (with what is needed).
Plan make_plan(const PlanRequest& request);

OrderedJson plan_json(const Plan& plan);
std::string plan_text(const Plan& plan);
/// Days, hours or minutes; MWh, kWh or Wh.
std::string time_text(double days);
std::string energy_text(double mwh);

/// The first micro-batches of a stage's pipeline, simulated.
struct DrawnPipeline {
  PipelineRun run;
  int64_t micros = 0;  ///< drawn; fewer than a step has where that many do not show
};
/// None without a pipeline and where it is too large to be seen.
std::optional<DrawnPipeline> drawn_pipeline(const StageResult& stage);
/// The pipelines of all stages as text, a line for each of their stages; says where none is drawn.
std::string pipelines_text(const Plan& plan);
/// Plans side by side; `others` are what plan_json wrote.
std::string compare_text(const std::vector<OrderedJson>& plans);
std::string plan_page(const Plan& plan, const std::vector<OrderedJson>& others);

}  // namespace nuri::plan
