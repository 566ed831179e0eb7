#include "cli/own_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "cli/verbs.h"

namespace nuri {
namespace {

volatile sig_atomic_t g_child = 0;

void pass_on(int signal, siginfo_t* info, void*) {
  if (info->si_code == SI_USER && g_child > 0) ::kill(g_child, signal);
}

/// While alive, SIGINT and SIGTERM are the child's.
class PassSignals {
 public:
  PassSignals() {
    struct sigaction action = {};
    action.sa_sigaction = pass_on;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(SIGINT, &action, &interrupt_);
    ::sigaction(SIGTERM, &action, &terminate_);
  }
  ~PassSignals() {
    g_child = 0;
    ::sigaction(SIGINT, &interrupt_, nullptr);
    ::sigaction(SIGTERM, &terminate_, nullptr);
  }
  PassSignals(const PassSignals&) = delete;
  PassSignals& operator=(const PassSignals&) = delete;

 private:
  struct sigaction interrupt_ = {}, terminate_ = {};
};

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
  if (child == 0) {  // nothing but system calls until exec; handlers become the defaults there
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() == parent) ::execv("/proc/self/exe", argv.data());
    ::_exit(kExitInternal);
  }
  g_child = child;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    NURI_CHECK(errno == EINTR, "waiting for `nuri {}`: {}", arguments[0], std::strerror(errno));
  if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGTERM)) return kExitInterrupted;
  NURI_CHECK(WIFEXITED(status), "`nuri {}` was ended by signal {} ({}); run the same command again to continue",
             arguments[0], WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  return WEXITSTATUS(status);
}

}  // namespace nuri
