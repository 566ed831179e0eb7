#include "cli/own_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "base/threads.h"
#include "cli/verbs.h"

namespace nuri {
namespace {

constexpr int kPassed[] = {SIGINT, SIGTERM, SIGUSR1};
std::atomic<pid_t> g_child{0};  // 0: not there yet
std::atomic<int> g_stop{0};     // the signal that asked to stop
static_assert(std::atomic<pid_t>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void pass_on(int signal) {
  if (signal != SIGUSR1) g_stop = signal;
  if (const pid_t child = g_child; child > 0) ::kill(child, signal);
}

/// While alive, those signals are the child's.
class PassSignals {
 public:
  PassSignals() {
    g_child = 0, g_stop = 0;
    struct sigaction action = {};
    action.sa_handler = pass_on;
    for (int i = 0; i < 3; ++i) ::sigaction(kPassed[i], &action, &old_[i]);
  }
  ~PassSignals() {
    g_child = 0;
    for (int i = 0; i < 3; ++i) ::sigaction(kPassed[i], &old_[i], nullptr);
  }
  PassSignals(const PassSignals&) = delete;
  PassSignals& operator=(const PassSignals&) = delete;

 private:
  struct sigaction old_[3] = {};
};

/// In the child: system calls alone, as other threads' locks may be held. A group of its own, so that a signal to ours
/// comes once, from pass_on.
[[noreturn]] void become(char* const* argv, pid_t parent) {
  ::setpgid(0, 0);
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = SIG_IGN;  // until the verb listens to it, if it does
  ::sigaction(SIGUSR1, &action, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() == parent) ::execv("/proc/self/exe", argv);
  constexpr std::string_view kWhy =
      "nuri: /proc/self/exe cannot be run; is /proc there, and the program still in place?\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kWhy.data(), kWhy.size());
  ::_exit(kExitInternal);
}

}  // namespace

int run_in_own_process(const std::vector<std::string>& arguments) {
  std::vector<std::string> all{command_line().empty() ? "nuri" : command_line()[0]};
  all.insert(all.end(), arguments.begin(), arguments.end());
  all.insert(all.end(), {"--threads", std::to_string(thread_count())});
  std::vector<char*> argv;
  for (std::string& argument : all) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::fflush(nullptr);
  const PassSignals signals;
  const pid_t parent = ::getpid(), child = ::fork();
  NURI_CHECK(child >= 0, "the system starts no further process ({}); free some memory, or raise the limit of processes",
             std::strerror(errno));
  if (child == 0) become(argv.data(), parent);
  g_child = child;
  if (const int asked = g_stop) ::kill(child, asked);  // before there was a child to tell
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    NURI_CHECK(errno == EINTR, "waiting for `nuri {}`: {}", arguments[0], std::strerror(errno));
  if (g_stop != 0 && (WIFSIGNALED(status) || WEXITSTATUS(status) == kExitOk)) return kExitInterrupted;
  NURI_CHECK(WIFEXITED(status), "`nuri {}` was ended by signal {} ({}); run the same command again to continue",
             arguments[0], WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  return WEXITSTATUS(status);
}

}  // namespace nuri
