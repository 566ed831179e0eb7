// nuri plan profile: what this machine does of products by shape, memory and disk, in under a minute.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/philox.h"
#include "base/threads.h"
#include "cli/bench.h"
#include "cli/documents.h"
#include "cli/machine.h"
#include "cli/plan_own.h"
#include "io/run_lock.h"
#include "ledger/run_record.h"
#include "ops/linear.h"

namespace nuri {
namespace {

struct Options {
  std::string out, disk = ".";
  bool json = false;
};

constexpr double kSecondsOfShape = 0.3;
constexpr int64_t kDiskBytes = 256 << 20;

/// Rows of a product against matrices of a small, a middle and a large model.
constexpr std::array<int64_t, 3> kShapes[] = {{1, 1024, 1024},  {1, 4096, 4096},    {16, 4096, 4096},
                                              {64, 1024, 1024}, {512, 512, 512},    {1024, 1024, 1024},
                                              {2048, 192, 768}, {2048, 1024, 2816}, {2048, 2816, 1024}};

double product_gflops(const std::array<int64_t, 3>& shape, Precision precision) {
  const auto [m, n, k] = shape;
  const Philox random(1, Purpose::test);
  Weight w({{"w", {n, k}}}, DType::f32, false);
  Tensor x = Tensor::empty({m, k});
  for (int64_t i = 0; i < n * k; ++i) w.value.data<float>()[i] = random.uniform(static_cast<uint64_t>(i)) - 0.5f;
  for (int64_t i = 0; i < m * k; ++i) x.data<float>()[i] = random.uniform(static_cast<uint64_t>(i)) - 0.5f;
  const double seconds = median_seconds([&] { (void)linear(x, w, precision); }, kSecondsOfShape);
  return 2e-9 * static_cast<double>(m * n * k) / seconds;
}

/// Bytes a second written and synced to a file of its own in a directory.
double disk_gbs(const std::filesystem::path& directory) {
  require_free_bytes(directory, 2 * static_cast<uint64_t>(kDiskBytes), "the measurement of the disk");
  const std::filesystem::path file = directory / (".nuri_profile_" + new_run_id());
  const std::string block(8 << 20, '\x5a');
  const double begin = seconds_now();
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  NURI_CHECK(fd >= 0, "{}: cannot be written ({}); name another directory with --disk", file.string(),
             std::generic_category().message(errno));
  bool well = true;
  for (int64_t done = 0; well && done < kDiskBytes; done += static_cast<int64_t>(block.size()))
    well = ::write(fd, block.data(), block.size()) == static_cast<ssize_t>(block.size());
  well = well && ::fsync(fd) == 0;
  const double seconds = seconds_now() - begin;
  ::close(fd);
  ::unlink(file.c_str());
  NURI_CHECK(well, "{}: writing {} failed; make room, or name another directory with --disk", directory.string(),
             kDiskBytes);
  return 1e-9 * static_cast<double>(kDiskBytes) / seconds;
}

int run(const Options& o) {
  const double begin = seconds_now();
  const cpu::Peaks& peaks = machine_peaks();
  OrderedJson j{{"cpu", cpu_model()},
                {"level", active_level_text()},
                {"threads", thread_count()},
                {"memory_bytes", memory_allowed()},
                {"fp32_gflops", peaks.fp32_gflops},
                {"bf16_gflops", peaks.bf16_gflops},
                {"read_gbs", peaks.read_gbps},
                {"copy_gbs", peaks.copy_gbps}};
  OrderedJson products = OrderedJson::array();
  ProgressPrinter progress;
  if (!o.json)
    fmt::print("{}, {}, {} threads\n{:<24} {:>10} {:>12} {:>10}\n", cpu_model(), active_level_text(), thread_count(),
               "product m x n x k", "precision", "GFLOP/s", "of peak");
  for (const Precision precision : {Precision::bf16, Precision::f32})
    for (const auto& shape : kShapes) {
      const std::string name = fmt::format("{} x {} x {}", shape[0], shape[1], shape[2]);
      progress.show(name);
      const double rate = product_gflops(shape, precision), peak = product_peak(peaks, precision == Precision::bf16);
      products.push_back({{"m", shape[0]},
                          {"n", shape[1]},
                          {"k", shape[2]},
                          {"precision", precision_name(precision)},
                          {"gflops", rate},
                          {"of_peak", rate / peak}});
      if (!o.json)
        fmt::print("{:<24} {:>10} {:>12.1f} {:>8.1f} %\n", name, precision_name(precision), rate, 100 * rate / peak);
    }
  progress.end();
  j["products"] = products;
  j["disk_gbs"] = disk_gbs(o.disk);
  j["seconds"] = seconds_now() - begin;
  if (!o.json)
    fmt::print(
        "peak {:.0f} GFLOP/s in BF16, {:.0f} in FP32; memory read {:.1f}, copied {:.1f} GB/s; disk written {:.2f} "
        "GB/s; measured in {:.0f} s\n",
        peaks.bf16_gflops, peaks.fp32_gflops, peaks.read_gbps, peaks.copy_gbps, j["disk_gbs"].get<double>(),
        j["seconds"].get<double>());
  if (!o.out.empty()) write_file_atomic(o.out, json_text(j));
  if (o.json) fmt::print("{}", json_text(j));
  return kExitOk;
}

}  // namespace

void add_plan_profile(Arguments& args, const std::shared_ptr<Action>& action) {
  auto o = std::make_shared<Options>();
  Arguments profile = args.verb("profile", "measure this machine: products by shape, memory, disk (under a minute)");
  profile.pass_upwards();
  profile.option("--out", o->out, "also write the JSON to a file");
  profile.option("--disk", o->disk, "directory whose disk is measured, 256 MB written (default: here)");
  profile.flag("--json", o->json, "print JSON");
  profile.then([action, o] { *action = [o] { return run(*o); }; });
}

}  // namespace nuri
