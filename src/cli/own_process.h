// This program once more, as a child.
#pragma once

#include <string>
#include <vector>

namespace nuri {

/// Runs `nuri ARGUMENTS` (the verb first) with as many threads as this process and its standard streams, and waits. The
/// child dies with this process; SIGINT, SIGTERM and SIGUSR1 that this one gets, from a terminal or another program,
/// are passed on, each once. Returns its exit code, kExitInterrupted also where it was asked to stop and was done
/// already. Errors: it cannot be started, or another signal ended it.
int run_in_own_process(const std::vector<std::string>& arguments);

}  // namespace nuri
