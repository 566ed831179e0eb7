#include "train/background_save.h"

#include <csignal>
#include <utility>

#include "base/error.h"

namespace nuri {

void BackgroundSave::start(std::function<void()> write) {
  NURI_ASSERT(!started());
  ended_ = false;
  error_ = nullptr;
  // Signals are for the thread that trains: the new one is born with all of them blocked.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this, write = std::move(write)] {
    try {
      write();
    } catch (...) {
      error_ = std::current_exception();
    }
    ended_.store(true, std::memory_order_release);
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void BackgroundSave::finish() {
  join();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void BackgroundSave::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace nuri
