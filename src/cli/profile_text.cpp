#include "cli/profile_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <tuple>
#include <vector>

#include "cli/machine.h"

namespace nuri {
namespace {

using profile::Kind;
using profile::Recording;

/// Kernels of one name, direction and shape.
struct Row {
  const char* kernel = "";
  bool backward = false, bf16 = false, reference = false;
  std::string shape;
  int64_t count = 0, wall = 0, busy = 0, packing = 0, taken = 0, fresh = 0;
  std::vector<int64_t> idle;  // of each thread
  double flops = 0, bytes = 0;
};

/// The larger of the shares of a peak that a kernel may reach: operations, or bytes.
struct Rate {
  double gflops, gbps, of_peak;
  bool by_bytes;
};
Rate rate_of(double flops, double bytes, bool bf16, int64_t ns, const cpu::Peaks& peaks) {
  const double seconds = 1e-9 * static_cast<double>(std::max<int64_t>(ns, 1));
  Rate r{flops / seconds / 1e9, bytes / seconds / 1e9, 0, false};
  const double by_flops = r.gflops / product_peak(peaks, bf16), by_bytes = r.gbps / peaks.copy_gbps;
  r.by_bytes = by_bytes > by_flops;
  r.of_peak = std::max(by_flops, by_bytes);
  return r;
}

int64_t busy_of(const profile::KernelRecord& k) { return std::accumulate(k.busy.begin(), k.busy.end(), int64_t{0}); }

std::vector<Row> rows_of(const Recording& recording) {
  std::map<std::tuple<std::string, bool, std::string>, Row> found;
  for (const profile::KernelRecord& k : recording.kernels) {
    Row& row = found[{k.work.kernel, k.backward, k.work.shape}];
    row.kernel = k.work.kernel, row.backward = k.backward, row.shape = k.work.shape, row.bf16 = k.work.bf16;
    row.reference |= k.work.reference;
    ++row.count;
    row.wall += k.end - k.begin, row.busy += busy_of(k), row.packing += k.packing;
    row.taken += k.bytes_taken, row.fresh += k.bytes_fresh;
    row.idle.resize(k.busy.size());
    for (size_t t = 0; t < k.busy.size(); ++t) row.idle[t] += k.end - k.begin - k.busy[t];
    row.flops += k.work.flops, row.bytes += k.work.bytes;
  }
  std::vector<Row> rows;
  for (auto& [key, row] : found) rows.push_back(std::move(row));
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.wall > b.wall; });
  return rows;
}

double ms(int64_t ns) { return 1e-6 * static_cast<double>(ns); }
OrderedJson times(const std::vector<int64_t>& ns, double unit) {
  OrderedJson all = OrderedJson::array();
  for (const int64_t n : ns) all.push_back(unit * static_cast<double>(n));
  return all;
}

}  // namespace

Breakdown breakdown_of(const Recording& recording) {
  Breakdown b;
  const double wall = static_cast<double>(std::max<int64_t>(1, recording.end - recording.begin));
  const double all = wall * recording.threads;
  double in_kernels = 0, busy = 0;
  for (const profile::KernelRecord& k : recording.kernels) {
    const double own = static_cast<double>(busy_of(k) - k.packing) / all;
    in_kernels += static_cast<double>(k.end - k.begin);
    busy += static_cast<double>(busy_of(k)) / all;
    b.packing += static_cast<double>(k.packing) / all;
    switch (k.work.kind) {
      case Kind::product:
        b.product += own;
        break;
      case Kind::attention:
        b.attention += own;
        break;
      case Kind::optimizer:
        b.optimizer += own;
        break;
      case Kind::packing:
        b.packing += own;
        break;
      case Kind::elementwise:
      case Kind::count:
        b.elementwise += own;
    }
  }
  b.other = (wall - in_kernels) / all;
  b.waiting = 1 - busy - b.other;
  return b;
}

std::string breakdown_text(const Breakdown& b) {
  return fmt::format(
      "product {:.1f} %, attention {:.1f} %, elementwise {:.1f} %, optimizer {:.1f} %, packing {:.1f} %, waiting "
      "{:.1f} "
      "%, outside of kernels {:.1f} %",
      100 * b.product, 100 * b.attention, 100 * b.elementwise, 100 * b.optimizer, 100 * b.packing, 100 * b.waiting,
      100 * b.other);
}

OrderedJson breakdown_json(const Breakdown& b) {
  return {{"product", b.product},     {"attention", b.attention}, {"elementwise", b.elementwise},
          {"optimizer", b.optimizer}, {"packing", b.packing},     {"waiting", b.waiting},
          {"other", b.other}};
}

std::string profile_table(const Recording& recording, const cpu::Peaks& peaks, size_t most) {
  const std::vector<Row> rows = rows_of(recording);
  const double wall = ms(recording.end - recording.begin);
  std::string text =
      fmt::format("{:<20} {:<8} {:>6} {:>9} {:>6} {:>8} {:>7} {:>7} {:>6} {:>6} {:>9} {:>9}  {}\n", "kernel", "pass",
                  "calls", "ms", "time", "GFLOP/s", "GB/s", "of peak", "idle", "pack", "MB taken", "MB fresh", "shape");
  size_t shown = 0;
  double rest = 0;
  for (const Row& row : rows) {
    if (shown == most) {
      rest += ms(row.wall);
      continue;
    }
    ++shown;
    const Rate r = rate_of(row.flops, row.bytes, row.bf16, row.wall, peaks);
    const double threads_time = static_cast<double>(row.wall) * recording.threads;
    text += fmt::format(
        "{:<20} {:<8} {:>6} {:>9.2f} {:>4.1f} % {:>8.1f} {:>7.1f} {:>5.0f} %{} {:>4.0f} % {:>4.0f} % {:>9.1f} {:>9.1f} "
        " {}{}\n",
        row.kernel, row.backward ? "backward" : "forward", row.count, ms(row.wall), 100 * ms(row.wall) / wall, r.gflops,
        r.gbps, 100 * r.of_peak, r.by_bytes ? "b" : " ", 100 * (1 - static_cast<double>(row.busy) / threads_time),
        100 * static_cast<double>(row.packing) / static_cast<double>(std::max<int64_t>(row.busy, 1)),
        1e-6 * static_cast<double>(row.taken), 1e-6 * static_cast<double>(row.fresh), row.shape,
        row.reference ? "  (reference)" : "");
  }
  if (rows.size() > shown) text += fmt::format("{} more rows: {:.2f} ms\n", rows.size() - shown, rest);
  text +=
      fmt::format("{:.2f} ms on {} threads: {}\n", wall, recording.threads, breakdown_text(breakdown_of(recording)));
  std::vector<int64_t> idle(static_cast<size_t>(recording.threads));
  for (const Row& row : rows)
    for (size_t t = 0; t < row.idle.size(); ++t) idle[t] += row.idle[t];
  text += fmt::format("kernels of level {}; idle within them:", active_level_text());
  for (size_t t = 0; t < idle.size(); ++t) text += fmt::format(" thread {} {:.2f} ms", t, ms(idle[t]));
  text +=
      "\nMB taken: memory handed out, of it fresh: from the system\nof peak: operations to the peak of products, or "
      "(b) bytes to the bandwidth of a copy, whichever is more\n";
  if (recording.full) text += fmt::format("the recording is full: only the first {} kernels\n", profile::kMostKernels);
  return text;
}

OrderedJson profile_json(const Recording& recording, const cpu::Peaks& peaks) {
  OrderedJson j;
  j["ms"] = ms(recording.end - recording.begin);
  j["threads"] = recording.threads;
  j["steps"] = recording.steps;
  j["whole"] = recording.whole;
  j["breakdown"] = breakdown_json(breakdown_of(recording));
  j["kernels"] = OrderedJson::array();
  for (const Row& row : rows_of(recording)) {
    const Rate r = rate_of(row.flops, row.bytes, row.bf16, row.wall, peaks);
    j["kernels"].push_back({{"kernel", row.kernel},
                            {"pass", row.backward ? "backward" : "forward"},
                            {"shape", row.shape},
                            {"calls", row.count},
                            {"ms", ms(row.wall)},
                            {"gflops", r.gflops},
                            {"gbps", r.gbps},
                            {"of_peak", r.of_peak},
                            {"limit", r.by_bytes ? "bytes" : "operations"},
                            {"level", row.reference ? "reference" : active_level_text()},
                            {"busy_ms", ms(row.busy)},
                            {"idle_ms", times(row.idle, 1e-6)},
                            {"packing_ms", ms(row.packing)},
                            {"bytes_taken", row.taken},
                            {"bytes_fresh", row.fresh},
                            {"reference", row.reference}});
  }
  return j;
}

std::string chrome_trace(const Recording& recording, const cpu::Peaks& peaks, const std::string& level) {
  OrderedJson events = OrderedJson::array();
  auto event = [&](const std::string& name, const char* category, int64_t begin, int64_t end, int thread) {
    OrderedJson e = {{"name", name},
                     {"cat", category},
                     {"ph", "X"},
                     {"ts", static_cast<double>(begin) / 1e3},  // microseconds
                     {"dur", static_cast<double>(end - begin) / 1e3},
                     {"pid", 1},
                     {"tid", thread}};
    return e;
  };
  events.push_back({{"name", "process_name"}, {"ph", "M"}, {"pid", 1}, {"args", {{"name", "nuri"}}}});
  for (int t = 0; t < recording.threads; ++t)
    events.push_back({{"name", "thread_name"},
                      {"ph", "M"},
                      {"pid", 1},
                      {"tid", t},
                      {"args", {{"name", t == 0 ? std::string("thread 0") : fmt::format("thread {}", t)}}}});
  for (const profile::Stretch& s : recording.stretches)
    events.push_back(event(s.name, s.thread == 0 ? "module" : "thread", s.begin, s.end, s.thread));
  for (const profile::KernelRecord& k : recording.kernels) {
    OrderedJson e = event(k.work.kernel, kind_name(k.work.kind), k.begin, k.end, 0);
    std::vector<int64_t> idle;
    for (const int64_t busy : k.busy) idle.push_back(k.end - k.begin - busy);
    const Rate r = rate_of(k.work.flops, k.work.bytes, k.work.bf16, k.end - k.begin, peaks);
    e["args"] = {{"shape", k.work.shape},
                 {"module", k.module},
                 {"level", k.work.reference ? "reference" : level},
                 {"gflops", r.gflops},
                 {"gbps", r.gbps},
                 {"of_peak", r.of_peak},
                 {"idle_us", times(idle, 1e-3)},  // of each thread
                 {"packing_us", static_cast<double>(k.packing) / 1e3},
                 {"bytes_taken", k.bytes_taken},
                 {"bytes_fresh", k.bytes_fresh}};
    events.push_back(std::move(e));
  }
  OrderedJson j;
  j["displayTimeUnit"] = "ms";
  j["traceEvents"] = std::move(events);
  return j.dump();
}

}  // namespace nuri
