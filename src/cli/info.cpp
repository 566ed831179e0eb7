// nuri info: what this machine is and can do, measured now.
#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "backend/cpu/levels.h"
#include "base/json.h"
#include "base/threads.h"
#include "base/x1.h"
#include "cli/machine.h"
#include "cli/verbs.h"
#include "ledger/run_record.h"
#include "nuri_commit.h"
#include "train/memory_plan.h"

namespace nuri {
namespace {

std::string huge_pages() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string text;
  std::getline(file, text);
  return text.empty() ? "unknown" : text;
}

int print_info(bool json, double seconds) {
  const MachineRecord machine = this_machine(active_level_text());
  const cpu::Peaks& peaks = machine_peaks(seconds);
  std::string levels;
  for (int i = 0; i < cpu::kLevels; ++i)
    if (cpu::level_available(static_cast<cpu::Level>(i)))
      levels += (levels.empty() ? "" : " ") + std::string(cpu::level_name(static_cast<cpu::Level>(i)));
  if (json) {
    OrderedJson j;
    j["cpu"] = machine.cpu;
    j["level"] = machine.level;
    j["levels"] = levels;
    j["profile"] = x1::kProfile;
    j["commit"] = NURI_COMMIT;
    j["cores_allowed"] = cores_allowed();
    j["threads"] = thread_count();
    j["memory_allowed_bytes"] = memory_allowed();
    j["huge_pages"] = huge_pages();
    j["fp32_gflops"] = peaks.fp32_gflops;
    j["bf16_gflops"] = peaks.bf16_gflops;
    j["read_gbps"] = peaks.read_gbps;
    j["copy_gbps"] = peaks.copy_gbps;
    j["handover_ns"] = peaks.handover_ns;
    fmt::print("{}", json_text(j));
    return kExitOk;
  }
  fmt::print("program          nuri 0.1.0, commit {}\n", NURI_COMMIT);
  fmt::print("arithmetic       profile {}\n", x1::kProfile);
  fmt::print("CPU              {}\n", machine.cpu);
  fmt::print("level in use     {} (this CPU has: {}; NURI_CPU chooses)\n", machine.level, levels);
  fmt::print("cores allowed    {}, threads used {}\n", cores_allowed(), thread_count());
  fmt::print("memory allowed   {}\n", bytes_text(memory_allowed()));
  fmt::print("huge pages       {}\n", huge_pages());
  fmt::print("peak FP32        {:.1f} GFLOP/s (measured, all threads)\n", peaks.fp32_gflops);
  fmt::print("peak BF16        {:.1f} GFLOP/s (measured{})\n", peaks.bf16_gflops,
             machine.level == "avx512_bf16" ? "" : "; this level multiplies BF16 by FP32 FMA");
  fmt::print("read bandwidth   {:.1f} GB/s (measured over {})\n", peaks.read_gbps, bytes_text(peaks.buffer_bytes));
  fmt::print("copy bandwidth   {:.1f} GB/s read and written (measured)\n", peaks.copy_gbps);
  if (peaks.handover_ns > 0)
    fmt::print(
        "handover         {:.0f} ns for a cache line between two threads (measured; over 100: no common cache)\n",
        peaks.handover_ns);
  return kExitOk;
}

}  // namespace

Action add_info(Arguments args) {
  auto json = std::make_shared<bool>(false);
  auto seconds = std::make_shared<double>(2);
  args.flag("--json", *json, "print JSON");
  args.option("--seconds", *seconds, "time for measuring the peaks (default 2)").between(0.1, 60.0);
  return [=] { return print_info(*json, *seconds); };
}

}  // namespace nuri
