#include "plan/published.h"

#include <algorithm>
#include <cmath>

#include "arch/counts.h"
#include "arch/shape_config.h"
#include "base/error.h"
#include "base/file.h"
#include "plan/cells.h"
#include "plan/csv.h"
#include "plan/defaults.h"
#include "plan/step_time.h"

namespace nuri::plan {
namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// The degrees a row states; `open` tells which it does not.
Layout layout_of_cell(const std::string& cell, int64_t n_devices, OpenInputs& open) {
  const Pairs p = pairs_of(cell);
  Layout l;
  const auto degree = [&](const char* name, int64_t fallback) {
    return std::clamp<int64_t>(number(p, name, fallback), 1, 1 << 16);
  };
  l.tp = degree("tp", 1);
  l.cp = degree("cp", 1);
  l.pp = degree("pp", 1);
  l.vp = degree("vp", 1);
  l.ep = degree("ep", 1);
  l.etp = degree("etp", l.ep > 1 ? 1 : l.tp);
  l.zero = static_cast<int>(std::min<int64_t>(3, number(p, "zero", 1)));
  const int64_t fsdp = number(p, "fsdp", 0);
  if (fsdp > 0 || contains(cell, "fsdp")) {
    l.zero = contains(cell, "zero=2") ? 2 : 3;
    l.shard = fsdp > 1 ? fsdp : 0;
  }
  if (const size_t group = cell.find("shard group "); group != std::string::npos)
    l.shard = leading(std::string_view(cell).substr(group + 12), 0);
  open.tensor = !p.count("tp");
  open.layout = !(p.count("pp") || p.count("dp") || p.count("zero") || p.count("zero1") || contains(cell, "fsdp"));
  if (l.tp * l.cp * l.pp > std::max<int64_t>(1, n_devices)) open.layout = open.tensor = true;
  open.interleaving = !p.count("vp");
  return l;
}

Recompute recompute_of_cell(const std::string& cell) {
  if (contains(cell, "full")) return Recompute::full;
  if (contains(cell, "mlp") || contains(cell, "moe") || contains(cell, "shared_expert")) return Recompute::ffn;
  if (contains(cell, "none") || contains(cell, "core")) return Recompute::none;
  return cell.empty() ? Recompute::none : Recompute::selective;
}

/// FLOPs of a token as the row's source counts them.
double counted_flops(const Job& job, const std::string& convention) {
  Job counted = job;
  const ModelShape& s = job.shape;
  const bool causal = contains(convention, "causal") && !contains(convention, "non-causal");
  const bool logged = contains(convention, "logged") || convention.empty();
  double flops = flops_per_token(counted);
  if (!causal && !logged) {  // all pairs
    const AttentionShape& a = s.attention;
    flops += 3.0 * static_cast<double>((s.n_layers + s.n_mtp_layers) * a.n_heads * (a.key_dim() + a.value_dim()) *
                                       job.seq_len);
  }
  const bool hardware = contains(convention, "recompute counted") || contains(convention, "may include recompute");
  if (hardware && job.layout.recompute == Recompute::full) flops *= 4.0 / 3;
  return flops;
}

struct RowReader {
  const CsvTable& t;
  size_t i;
  double value(std::string_view column) const {
    const double v = t.has(column) ? t.number(i, column) : NAN;
    return std::isnan(v) ? 0 : v;
  }
  std::string text(std::string_view column) const { return t.has(column) ? t.cell(i, column) : ""; }

  /// What was measured, as tokens per second and device; false where nothing was.
  bool read_target(PublishedRun& run) const {
    const std::string derived = text("derived_fields");
    const Job& job = *run.job;
    const double devices = static_cast<double>(job.n_devices);
    const auto take = [&](RunTarget target, double measured, std::string_view column) {
      run.target = target;
      run.measured = measured;
      run.derived = contains(derived, std::string(column) + "=");
      return measured > 0;
    };
    const double speed = value("tokens_per_s_per_gpu"), step = value("step_time_s"),
                 batch = value("global_batch_tokens");
    const double hours = value("gpu_hours"), n = value("n_gpus");
    const bool speed_derived = contains(derived, "tokens_per_s_per_gpu=");
    if (speed > 0 && !speed_derived) return take(RunTarget::tokens_per_s, speed, "tokens_per_s_per_gpu");
    if (step > 0 && batch > 0 && n > 0) return take(RunTarget::step_time, batch / step / devices, "step_time_s");
    if (speed > 0) return take(RunTarget::tokens_per_s, speed, "tokens_per_s_per_gpu");
    const std::string convention = text("flops_convention");
    if (const double rate = value("tflops_per_gpu"); rate > 0)
      return take(RunTarget::utilisation, rate * 1e12 / counted_flops(job, convention), "tflops_per_gpu");
    if (hours > 0 && run.tokens > 0) {
      run.whole_run = run.kind == "full-run";
      return take(RunTarget::device_hours, run.tokens / hours / 3600, "gpu_hours");
    }
    if (const double mfu = value("mfu"); mfu > 0)
      return take(RunTarget::utilisation, mfu * job.device.peak(Precision::bf16) / counted_flops(job, convention),
                  "mfu");
    return false;
  }

  PublishedRun read() const {
    PublishedRun run;
    run.id = text("id");
    run.model = text("model");
    run.group = text("source_group");
    run.confidence = text("confidence");
    run.kind = text("row_kind");
    run.tokens = value("tokens");
    run.device_hours = value("gpu_hours");
    if (run.kind == "rl-run") {
      run.missing = "tokens (a reinforcement learning run)";
      return run;
    }
    if (contains(text("notes"), "distilled")) {
      run.missing = "the teacher (a distilled run)";
      return run;
    }
    const auto shape = shape_of_cell(text("architecture"), run.missing, run.assumed);
    if (!shape) return run;
    try {
      validate(*shape, t.where(i));
    } catch (const Error& error) {
      run.missing = error.what();
      return run;
    }
    Job job;
    job.shape = *shape;
    if (contains(text("notes"), "w/o MTP")) job.shape.n_mtp_layers = 0;
    const std::string name = text("gpu");
    for (const Device& d : devices())
      if (d.name == name) job.device = d;
    if (job.device.name.empty() && name.starts_with("A100")) {
      job.device = find_device("A100-SXM-80GB");
      run.assumed.push_back("80 GB of memory");
    }
    if (job.device.name.empty() || job.device.bf16 <= 0 || job.device.memory_gbs <= 0) {
      run.missing = name.empty() ? "device" : "peak or bandwidth of " + name;
      return run;
    }
    const std::string precision = text("precision");
    if (precision.empty()) run.assumed.push_back("bf16");
    try {
      job.precision = precision.empty() ? Precision::bf16 : parse_precision(precision, t.where(i) + ": precision");
    } catch (const Error&) {
      run.missing = "one precision (" + precision + ")";
      return run;
    }
    if (job.device.peak(job.precision) <= 0) {
      run.missing = std::string(precision_name(job.precision)) + " peak of " + name;
      return run;
    }
    if (job.device.link_gbs <= 0 && job.device.network_gbs <= 0 && value("n_gpus") != 1) {
      run.missing = "link or network of " + name;
      return run;
    }
    job.n_devices = static_cast<int64_t>(std::clamp(value("n_gpus"), 0.0, 1e7));
    job.seq_len = static_cast<int64_t>(std::clamp(value("seq_len"), 0.0, 1e8));
    job.batch_tokens = value("global_batch_tokens");
    job.frozen = contains(text("notes"), "LoRA");
    job.lean_states = contains(text("notes"), "bf16 optimizer states");
    job.offload = job.lean_states || contains(text("notes"), "offload");
    OpenInputs open;
    job.layout = layout_of_cell(text("parallelism"), job.n_devices, open);
    job.layout.micro_batch = static_cast<int64_t>(std::clamp(value("mbs"), 0.0, 1e6));
    const std::string recompute = text("recompute");
    job.layout.recompute = recompute_of_cell(recompute);
    const std::string notes = text("notes");
    if (contains(notes, "DualPipe")) job.layout.schedule = Schedule::dualpipe;
    job.layout.overlap_experts = contains(notes, "EP overlap") || contains(notes, "communication overlap") ||
                                 job.layout.schedule == Schedule::dualpipe;
    job.layout.graphs = contains(notes, "CUDA graph");
    job.layout.unfused = contains(notes, "no compile");
    open.recompute = recompute.empty();
    run.layout_unstated = fill_defaults(job, open, run.assumed);
    run.job = job;
    if (!read_target(run) || !std::isfinite(run.measured)) {
      run.job.reset();
      run.missing = run.device_hours > 0 ? "tokens" : "a measured time";
    }
    return run;
  }
};

}  // namespace

std::string_view target_name(RunTarget target) {
  constexpr std::string_view kNames[] = {"tokens/s", "step time", "FLOP/s", "device-hours"};
  return kNames[static_cast<size_t>(target)];
}

std::vector<PublishedRun> parse_published(std::string_view csv, std::string file) {
  const CsvTable table(csv, file);
  for (const char* column : {"id", "architecture", "gpu", "confidence", "source_group"})
    NURI_CHECK(table.has(column),
               "{}: no column \"{}\"; a table of published runs needs it (docs/plan.md lists the columns)", file,
               column);
  std::vector<PublishedRun> out;
  for (size_t i = 0; i < table.size(); ++i) out.push_back(RowReader{table, i}.read());
  return out;
}

std::vector<PublishedRun> read_published(const std::filesystem::path& path) {
  return parse_published(read_file(path, 256 << 20), path.string());
}

}  // namespace nuri::plan
