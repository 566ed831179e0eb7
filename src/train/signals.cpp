#include "train/signals.h"

#include <signal.h>
#include <unistd.h>

namespace nuri {
namespace {

volatile sig_atomic_t g_stop = 0, g_save = 0;
struct sigaction g_old_int, g_old_term, g_old_usr1;

void on_stop(int) {
  if (g_stop) _exit(130);  // asked twice: at once; checkpoints are whole at any instant
  g_stop = 1;
}
void on_save(int) { g_save = 1; }

}  // namespace

SignalScope::SignalScope() {
  g_stop = 0;
  g_save = 0;
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

bool SignalScope::stop_asked() { return g_stop != 0; }

bool SignalScope::take_save_asked() {
  const bool asked = g_save != 0;
  g_save = 0;
  return asked;
}

}  // namespace nuri
