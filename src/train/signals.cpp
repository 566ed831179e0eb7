#include "train/signals.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace nuri {
namespace {

// Lock-free, so that handlers may use them; atomic, because two signals may be handled by two threads at once.
std::atomic<bool> g_stop{false}, g_save{false};
static_assert(std::atomic<bool>::is_always_lock_free);
struct sigaction g_old_int, g_old_term, g_old_usr1;

void on_stop(int) {
  if (g_stop.exchange(true)) _exit(130);  // asked twice: at once; checkpoints are whole at any instant
}
void on_save(int) { g_save = true; }

}  // namespace

SignalScope::SignalScope() {
  g_stop = false;
  g_save = false;
  struct sigaction action = {};
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  action.sa_handler = on_stop;
  sigaction(SIGINT, &action, &g_old_int);
  sigaction(SIGTERM, &action, &g_old_term);
  action.sa_handler = on_save;
  sigaction(SIGUSR1, &action, &g_old_usr1);
}

SignalScope::~SignalScope() {
  sigaction(SIGINT, &g_old_int, nullptr);
  sigaction(SIGTERM, &g_old_term, nullptr);
  sigaction(SIGUSR1, &g_old_usr1, nullptr);
}

bool SignalScope::stop_asked() { return g_stop; }

bool SignalScope::save_asked() { return g_save; }

bool SignalScope::take_save_asked() { return g_save.exchange(false); }

}  // namespace nuri
