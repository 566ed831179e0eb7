// What a few steps spend their time on: kernels with their operations and bytes, the threads that ran them, and the
// modules around them. Recording is off unless asked for; then a kernel costs two clock readings and a thread two more
// for each parallel region. Measures only: nothing here changes a result.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace nuri::profile {

enum class Kind : uint8_t { product, attention, elementwise, optimizer, packing, count };
constexpr const char* kind_name(Kind kind) {
  constexpr const char* kNames[] = {"product", "attention", "elementwise", "optimizer", "packing"};
  return kNames[static_cast<size_t>(kind)];
}

/// What a kernel is asked to do. Bytes: those that must come from and go to memory, each operand once.
struct Work {
  const char* kernel = "";
  Kind kind = Kind::elementwise;
  std::string shape;
  double flops = 0, bytes = 0;
  bool bf16 = false;       ///< whose peak its operations are a share of
  bool reference = false;  ///< the chip has no kernel: the reference ran
};

struct KernelRecord {
  Work work;
  std::string module;  ///< "model.layers.3.self_attn", "gradient of linear" ...
  bool backward = false;
  int64_t begin = 0, end = 0;  ///< nanoseconds since the recording began
  std::vector<int64_t> busy;   ///< nanoseconds that each thread worked
  int64_t packing = 0;         ///< of all threads' busy: rounding, turning and gathering operands
  int64_t bytes_taken = 0;     ///< memory handed out since the kernel before it ended (tensors and scratch)
  int64_t bytes_fresh = 0;     ///< of these: from the system, not from the cache of free blocks
};
/// A stretch of one thread: a module or step on thread 0, a kernel's part on the others.
struct Stretch {
  std::string name;
  int64_t begin = 0, end = 0;
  int thread = 0;
};
struct Recording {
  int threads = 1;
  int64_t steps = 0;
  int64_t begin = 0, end = 0;
  bool whole = false;  ///< fewer steps came than were to be skipped: all of them, from the start on
  bool full = false;   ///< stopped at kMostKernels
  std::vector<KernelRecord> kernels;
  std::vector<Stretch> stretches;
};
inline constexpr size_t kMostKernels = 500'000;  ///< of a recording: about 300 bytes each

namespace detail {
extern std::atomic<bool> g_on;
}
inline bool on() { return detail::g_on.load(std::memory_order_relaxed); }

/// Records the calls of this thread, and the pool's work for it, from the (skip + 1)-th step on, for `steps` steps (see
/// step()); 0 steps: at once, until stop(). What is skipped is recorded too, up to kMostKernels, and dropped when the
/// first of the steps wanted begins: where none does, it is all there is. `done` receives the recording. One under
/// way is handed over first.
void start(int threads, int64_t skip, int64_t steps, std::function<void(Recording)> done);
/// Hands over what is recorded, if it was not handed over yet.
void stop();

/// A step of a verb begins: an optimizer step, the forward of a token. Ends the recording after the last one wanted.
void step(const char* name);

/// While alive, only steps of this name (static) count: those of what they call are part of them.
class StepScope {
 public:
  explicit StepScope(const char* name);
  ~StepScope();
  StepScope(const StepScope&) = delete;
  StepScope& operator=(const StepScope&) = delete;

 private:
  const char* before_;
};

/// A module, op or phase, by name, while alive.
class Scope {
 public:
  explicit Scope(const std::string& name, bool backward = false);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  bool active_ = false;
};

/// A kernel, while alive. On the thread that called start(); others are not recorded.
class Kernel {
 public:
  explicit Kernel(Work work);
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

 private:
  bool active_ = false;
};

/// What a thread does inside a kernel, while alive: its part of a parallel region, the packing of operands within it,
/// or (the caller) waiting for the other threads at its end.
enum class Activity : uint8_t { working, packing, waiting };
class Doing {
 public:
  explicit Doing(Activity activity) : activity_(activity), begin_(on() ? now() : 0) {}
  ~Doing() {
    if (begin_) finish();
  }
  Doing(const Doing&) = delete;
  Doing& operator=(const Doing&) = delete;

 private:
  static int64_t now();
  void finish();
  Activity activity_;
  int64_t begin_;
};

/// Memory was handed out.
void allocated(int64_t bytes, bool fresh);

}  // namespace nuri::profile
