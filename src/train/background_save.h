// One write beside the run, on a thread of its own: the training loop goes on while a checkpoint goes to disk.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <thread>

namespace nuri {

class BackgroundSave {
 public:
  BackgroundSave() = default;
  ~BackgroundSave() { join(); }  ///< waits; an error of the write is lost
  BackgroundSave(const BackgroundSave&) = delete;
  BackgroundSave& operator=(const BackgroundSave&) = delete;

  /// REQUIRES: no write under way or not yet finished by finish().
  void start(std::function<void()> write);
  bool started() const { return thread_.joinable(); }
  /// Whether the write has ended, well or not.
  bool ended() const { return started() && ended_.load(std::memory_order_acquire); }
  /// Waits for the write; its error is thrown here. Nothing where none was started.
  void finish();

 private:
  void join();
  std::thread thread_;
  std::atomic<bool> ended_{false};
  std::exception_ptr error_;
};

}  // namespace nuri
