#include "base/profile.h"

#include <array>
#include <cstring>
#include <ctime>
#include <utility>

#include "base/threads.h"

namespace nuri::profile {
namespace detail {
std::atomic<bool> g_on{false};
}

namespace {

/// One thread's own page; the owner of the recording reads them between parallel regions, when nobody writes.
struct alignas(128) ThreadBook {
  std::array<int64_t, 3> time{};                     // nanoseconds by Activity, of the kernel that runs
  std::vector<std::pair<int64_t, int64_t>> regions;  // of the kernel that runs
  int64_t of(Activity activity) const { return time[static_cast<size_t>(activity)]; }
};

struct Recorder {
  Recording recording;
  std::vector<ThreadBook> books;
  std::function<void(Recording)> done;
  int64_t origin = 0, skip = 0, wanted = 0;
  bool skipping = false;       // what is recorded is dropped when the first step wanted begins
  const char* only = nullptr;  // whose steps count
  struct Open {
    std::string name;
    int64_t begin;
    bool backward;
  };
  std::vector<Open> scopes;
  int64_t step_begin = 0;
  std::string step_name;
  KernelRecord kernel;  // the one that runs
  bool in_kernel = false;
};
Recorder& recorder() {
  static auto* r = new Recorder;  // pool threads may outlive static destructors
  return *r;
}
thread_local bool t_owner = false;
std::atomic<int64_t> g_taken{0}, g_fresh{0};

int64_t clock_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}
int64_t since_begin(const Recorder& r) { return clock_ns() - r.origin; }

void begin_recording(Recorder& r) {
  r.origin = clock_ns();
  g_taken = 0;
  g_fresh = 0;
  for (Recorder::Open& open : r.scopes) open.begin = 0;
  detail::g_on = true;
}

void hand_over(Recorder& r) {
  detail::g_on = false;
  if (!r.recording.full) r.recording.end = since_begin(r);
  r.recording.whole = r.skipping;
  r.skipping = false;
  if (!r.step_name.empty()) r.recording.stretches.push_back({r.step_name, r.step_begin, r.recording.end, 0});
  r.step_name.clear();
  if (auto done = std::exchange(r.done, nullptr)) done(std::exchange(r.recording, {}));
}

std::string path_of(const Recorder& r) {
  std::string path;
  for (const Recorder::Open& open : r.scopes) path += (path.empty() ? "" : ".") + open.name;
  return path;
}

}  // namespace

void start(int threads, int64_t skip, int64_t steps, std::function<void(Recording)> done) {
  Recorder& r = recorder();
  stop();
  r.recording = Recording{};
  r.recording.threads = threads;
  r.books = std::vector<ThreadBook>(static_cast<size_t>(threads));
  r.done = std::move(done);
  r.skip = skip, r.wanted = steps;
  r.skipping = steps > 0;
  r.scopes.clear();
  r.step_name.clear();
  r.in_kernel = false;
  t_owner = true;
  begin_recording(r);
}

void stop() {
  Recorder& r = recorder();
  if (t_owner && r.done) hand_over(r);
}

void step(const char* name) {
  Recorder& r = recorder();
  if (!t_owner || (!on() && !r.skipping) || (r.only && std::strcmp(r.only, name) != 0)) return;
  if (r.skipping && r.skip-- == 0) {
    r.skipping = false;
    r.step_name.clear();
    r.recording = {.threads = r.recording.threads};
    begin_recording(r);
  } else if (r.wanted > 0 && !r.skipping && r.recording.steps == r.wanted) {
    hand_over(r);
    return;
  }
  if (r.recording.full) {
    ++r.recording.steps;
    return;
  }
  const int64_t now = since_begin(r);
  if (!r.step_name.empty()) r.recording.stretches.push_back({r.step_name, r.step_begin, now, 0});
  r.step_name = name + (" " + std::to_string(++r.recording.steps));
  r.step_begin = now;
}

StepScope::StepScope(const char* name) : before_(recorder().only) { recorder().only = name; }
StepScope::~StepScope() { recorder().only = before_; }

Scope::Scope(const std::string& name, bool backward) {
  if (!on() || !t_owner) return;
  active_ = true;
  Recorder& r = recorder();
  r.scopes.push_back({name, since_begin(r), backward});
}

Scope::~Scope() {
  if (!active_) return;
  Recorder& r = recorder();
  if (on()) r.recording.stretches.push_back({path_of(r), r.scopes.back().begin, since_begin(r), 0});
  r.scopes.pop_back();
}

Kernel::Kernel(Work work) {
  Recorder& r = recorder();
  if (!t_owner || r.in_kernel) return;
  active_ = r.in_kernel = true;
  for (ThreadBook& book : r.books) {
    book.time = {};
    book.regions.clear();
  }
  r.kernel = {};
  r.kernel.work = std::move(work);
  r.kernel.begin = since_begin(r);
}

Kernel::~Kernel() {
  if (!active_) return;
  Recorder& r = recorder();
  r.in_kernel = false;
  if (!on()) return;
  KernelRecord& k = r.kernel;
  k.end = since_begin(r);
  k.module = path_of(r);
  for (const Recorder::Open& open : r.scopes) k.backward |= open.backward;
  // The caller works all the time but while it waits for the others at the end of a region.
  k.busy = {k.end - k.begin - r.books[0].of(Activity::waiting)};
  for (size_t t = 0; t < r.books.size(); ++t) {
    const ThreadBook& book = r.books[t];
    k.packing += book.of(Activity::packing);
    if (t > 0) k.busy.push_back(book.of(Activity::working));
    for (const auto& [begin, end] : book.regions)
      r.recording.stretches.push_back({k.work.kernel, begin, end, static_cast<int>(t)});
  }
  k.bytes_taken = g_taken.exchange(0);
  k.bytes_fresh = g_fresh.exchange(0);
  r.recording.kernels.push_back(std::move(k));
  if (r.recording.kernels.size() < kMostKernels) return;
  r.recording.full = true;
  r.recording.end = since_begin(r);
  detail::g_on = false;
  if (!r.skipping) hand_over(r);
}

int64_t Doing::now() { return clock_ns(); }

void Doing::finish() {
  Recorder& r = recorder();
  const int thread = thread_index();
  if (!r.in_kernel || static_cast<size_t>(thread) >= r.books.size() || (thread == 0 && !t_owner)) return;
  ThreadBook& book = r.books[static_cast<size_t>(thread)];
  const int64_t end = clock_ns();
  book.time[static_cast<size_t>(activity_)] += end - begin_;
  if (activity_ == Activity::working && thread > 0) book.regions.emplace_back(begin_ - r.origin, end - r.origin);
}

void allocated(int64_t bytes, bool fresh) {
  if (!on()) return;
  g_taken += bytes;
  if (fresh) g_fresh += bytes;
}

}  // namespace nuri::profile
