#include "base/machine.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <string_view>

namespace nuri {
namespace {

/// The only number in a file; none where there is no such file or no number ("max").
std::optional<int64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  if (!(file >> text)) return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The smallest limit of a control group and its parents.
int64_t smallest_limit(const std::string& mount, std::string group, const char* file, int64_t limit) {
  for (;;) {
    if (const auto value = number_in(mount + group + "/" + file)) limit = std::min(limit, *value);
    if (group.empty() || group == "/") return limit;
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

}  // namespace

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t colon = line.find(':');
    const size_t start = colon == std::string::npos ? colon : line.find_first_not_of(' ', colon + 1);
    if (start != std::string::npos) return line.substr(start);
  }
  return "unknown";
}

int64_t machine_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), bytes = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && bytes > 0 ? int64_t(pages) * int64_t(bytes) : 0;
}

int64_t memory_allowed() {
  int64_t limit = machine_memory();
  std::ifstream file("/proc/self/cgroup");  // lines "0::/group" (v2) or "7:memory:/group" (v1)
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    if (controllers.empty()) limit = smallest_limit("/sys/fs/cgroup", group, "memory.max", limit);
    if (("," + controllers + ",").find(",memory,") != std::string::npos) {
      limit = smallest_limit("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes", limit);
    }
  }
  return limit;
}

Resident resident_bytes() {
  std::ifstream file("/proc/self/statm");  // pages: in all, resident, of these shared (files)
  int64_t all = 0, resident = 0, shared = 0;
  if (!(file >> all >> resident >> shared)) return {};
  const int64_t page = ::sysconf(_SC_PAGESIZE);
  return {(resident - shared) * page, shared * page};
}

int64_t peak_resident_bytes() {
  struct rusage usage;
  return ::getrusage(RUSAGE_SELF, &usage) == 0 ? int64_t(usage.ru_maxrss) * 1024 : 0;
}

void return_freed_memory() {
  // glibc raises this threshold whenever a block is freed, unless it is set.
  mallopt(M_MMAP_THRESHOLD, 256 << 10);
}

}  // namespace nuri
