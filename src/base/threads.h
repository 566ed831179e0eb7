// A small pool of worker threads. Kernels are written so that who computes an output never changes its bits (profile
// x1, rule 3); the pool may therefore hand out tasks dynamically.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

namespace nuri {

/// Reference to a callable, without ownership or allocation.
class TaskRef {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, TaskRef>)
      TaskRef(F&& f)  // NOLINT(google-explicit-constructor): call sites pass lambdas
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, int64_t task) { (*static_cast<std::remove_reference_t<F>*>(object))(task); }) {}
  void operator()(int64_t task) const { call_(object_, task); }

 private:
  void* object_;
  void (*call_)(void*, int64_t);
};

/// Number of threads that parallel_for uses, the caller included. Default: the cores this process may use
/// (affinity and cgroup quota), or NURI_THREADS.
int thread_count();
void set_thread_count(int n);
/// Cores allowed by affinity and cgroup CPU quota, at least 1.
int cores_allowed();
/// Index of the calling thread inside the pool: 0 for the caller of parallel_for, 1.. for workers.
int thread_index();

/// Runs body(task) for task in [0, n_tasks), on all threads; returns when all are done. Tasks are claimed in ascending
/// order. An exception thrown by a task is rethrown to the caller. Nested calls run inline.
void parallel_for(int64_t n_tasks, TaskRef body);

/// The same, but each thread begins with a part of the tasks of its own, ascending, and helps others after that: what
/// consecutive calls do to the same rows mostly happens on the same core, whose caches hold them. It matters most where
/// cores do not share a cache. Parts are equal in number, or end at ends[thread], of which there are thread_count().
void parallel_parts(int64_t n_tasks, TaskRef body);
void parallel_parts(std::span<const int64_t> ends, TaskRef body);
/// The end of part i of n in equal parts.
constexpr int64_t part_end(int64_t n, int64_t i, int64_t parts) { return n * (i + 1) / parts; }

/// parallel_parts with ranges: body receives [begin, end) chunks of at most `grain` items.
template <class F>
void parallel_ranges(int64_t n, int64_t grain, F&& body) {
  if (n <= 0) return;
  const int64_t tasks = (n + grain - 1) / grain;
  parallel_parts(tasks, [&](int64_t t) {
    const int64_t begin = t * grain;
    body(begin, begin + grain < n ? begin + grain : n);
  });
}

/// Sets flush-to-zero and denormals-are-zero for the calling thread while alive (profile x1, rule 1). Workers of the
/// pool hold one for life; `main` holds one; a thread started otherwise must make its own.
class FlushSubnormals {
 public:
  FlushSubnormals();
  ~FlushSubnormals();
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
  unsigned saved_;
};

}  // namespace nuri
