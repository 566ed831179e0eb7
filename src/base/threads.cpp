#include "base/threads.h"

#include <sched.h>
#include <xmmintrin.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/profile.h"

namespace nuri {
namespace {

thread_local int t_index = 0;
thread_local bool t_inside = false;  // a task is running on this thread: nested calls run inline

constexpr unsigned kFlushBits = 0x8040;  // MXCSR: FTZ (bit 15) and DAZ (bit 6)
constexpr int kSpins = 4000;             // about 20 us of PAUSE before a worker sleeps

/// Workers wait for a new generation number, claim tasks from counters, their own first, and report back. Spinning
/// first keeps the many short regions of one-token decode cheap; sleeping after that leaves the cores to others.
class Pool {
  struct alignas(64) Part {  // tasks not yet claimed: [next, end)
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

 public:
  ~Pool() { stop(); }

  int size() const { return size_; }

  void resize(int n) {
    NURI_ASSERT(!t_inside);
    if (n == size_) return;
    auto parts = std::make_unique<Part[]>(static_cast<size_t>(n));
    stop();
    parts_ = std::move(parts);
    size_ = n;
    quit_ = false;
    try {
      for (int i = 1; i < n; ++i) workers_.emplace_back([this, i, seen = generation_.load()] { work(i, seen); });
    } catch (const std::system_error& error) {
      stop();
      fail("cannot start {} threads ({}); allow this process more memory and threads, or ask for fewer with --threads",
           n, error.what());
    }
  }

  /// end_of(i, n): the end of the part of thread i of n.
  template <class EndOf>
  void run(const EndOf& end_of, TaskRef body) {
    std::lock_guard<std::mutex> one_caller(caller_);
    body_ = &body;
    for (int64_t i = 0, begin = 0; i < size_; ++i) {
      Part& part = parts_[static_cast<size_t>(i)];
      part.next.store(begin, std::memory_order_relaxed);
      begin = part.end = end_of(i, size_);
    }
    running_.store(size_ - 1, std::memory_order_relaxed);
    error_ = nullptr;
    generation_.fetch_add(1, std::memory_order_release);
    if (sleeping_.load(std::memory_order_seq_cst) > 0) {
      std::lock_guard<std::mutex> lock(mutex_);
      wake_.notify_all();
    }
    claim();
    const profile::Doing waiting(profile::Activity::waiting);
    for (int spins = 0; running_.load(std::memory_order_acquire) != 0; ++spins) {
      if (spins < 20000)
        _mm_pause();
      else
        std::this_thread::yield();
    }
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void claim() {
    const profile::Doing working(profile::Activity::working);
    t_inside = true;
    for (int i = 0; i < size_; ++i) claim(parts_[static_cast<size_t>((t_index + i) % size_)]);
    t_inside = false;
  }

  void claim(Part& part) {
    while (part.next.load(std::memory_order_relaxed) < part.end) {  // else nothing is written: others look here too
      const int64_t task = part.next.fetch_add(1, std::memory_order_relaxed);
      if (task >= part.end) return;
      try {
        (*body_)(task);
      } catch (...) {
        std::lock_guard<std::mutex> lock(mutex_);
        if (!error_) error_ = std::current_exception();
        for (int i = 0; i < size_; ++i) {
          Part& other = parts_[static_cast<size_t>(i)];
          other.next.store(other.end, std::memory_order_relaxed);
        }
      }
    }
  }

  void work(int index, uint64_t seen) {
    FlushSubnormals flush;
    t_index = index;
    for (;;) {
      for (int spins = 0; generation_.load(std::memory_order_acquire) == seen && !quit_; ++spins) {
        if (spins < kSpins) {
          _mm_pause();
          continue;
        }
        std::unique_lock<std::mutex> lock(mutex_);
        sleeping_.fetch_add(1, std::memory_order_seq_cst);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen || quit_; });
        sleeping_.fetch_sub(1, std::memory_order_seq_cst);
      }
      if (quit_) return;
      seen = generation_.load(std::memory_order_acquire);
      claim();
      running_.fetch_sub(1, std::memory_order_release);
    }
  }

  void stop() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      quit_ = true;
      wake_.notify_all();
    }
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
    size_ = 1;
  }

  int size_ = 1;
  std::vector<std::thread> workers_;
  std::mutex caller_;  // one parallel_for at a time; other threads wait their turn
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> sleeping_{0};
  std::atomic<int> running_{0};
  std::atomic<bool> quit_{false};
  std::unique_ptr<Part[]> parts_ = std::make_unique<Part[]>(1);  // [size_]
  const TaskRef* body_ = nullptr;
  std::exception_ptr error_;
};

int default_threads() {
  if (const char* text = std::getenv("NURI_THREADS")) {
    const int n = std::atoi(text);
    NURI_CHECK(n >= 1 && n <= 1024, "NURI_THREADS = '{}' is not a number of threads from 1 to 1024", text);
    return n;
  }
  return cores_allowed();
}

Pool& pool() {
  static Pool* instance = [] {
    const int n = default_threads();  // may refuse what the environment asks for
    auto* p = new Pool;               // lives until the process ends: workers may outlast static destructors
    p->resize(n);
    return p;
  }();
  return *instance;
}

}  // namespace

int cores_allowed() {
  cpu_set_t set;
  int cores = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  std::ifstream quota_file("/sys/fs/cgroup/cpu.max");  // "max 100000" or "quota period", microseconds
  std::string quota;
  double period = 0;
  if (quota_file >> quota >> period && quota != "max" && period > 0) {
    const int limit = static_cast<int>(std::atof(quota.c_str()) / period + 0.999);
    if (limit >= 1 && limit < cores) cores = limit;
  }
  return cores < 1 ? 1 : cores;
}

int thread_count() { return pool().size(); }

void set_thread_count(int n) {
  NURI_CHECK(n >= 1 && n <= 1024, "{} threads asked for; allowed are 1 to 1024", n);
  pool().resize(n);
}

int thread_index() { return t_index; }

namespace {

template <class EndOf>
void run(int64_t n_tasks, const EndOf& end_of, TaskRef body) {
  if (n_tasks <= 0) return;
  if (n_tasks == 1 || t_inside || pool().size() == 1) {
    for (int64_t task = 0; task < n_tasks; ++task) body(task);
    return;
  }
  pool().run(end_of, body);
}

}  // namespace

void parallel_for(int64_t n_tasks, TaskRef body) {
  const auto all = [n_tasks](int64_t, int64_t) { return n_tasks; };
  run(n_tasks, all, body);
}
void parallel_parts(int64_t n_tasks, TaskRef body) {
  const auto equal = [n_tasks](int64_t i, int64_t threads) { return part_end(n_tasks, i, threads); };
  run(n_tasks, equal, body);
}
void parallel_parts(std::span<const int64_t> ends, TaskRef body) {
  NURI_ASSERT(static_cast<int>(ends.size()) == thread_count());
  const auto as_given = [ends](int64_t i, int64_t) { return ends[static_cast<size_t>(i)]; };
  run(ends.back(), as_given, body);
}

FlushSubnormals::FlushSubnormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | kFlushBits); }
FlushSubnormals::~FlushSubnormals() { _mm_setcsr(saved_); }

}  // namespace nuri
