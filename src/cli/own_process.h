// This program once more, as a child.
#pragma once

#include <string>
#include <vector>

namespace nuri {

/// Runs `nuri ARGUMENTS` (the verb first) with as many threads as this process and its standard streams, and waits. The
/// child dies with this process; signals sent to this one are passed on (those of a terminal reach both). Returns its
/// exit code, kExitInterrupted where SIGINT or SIGTERM ended it. Error: it cannot be started, or another signal ended
/// it.
int run_in_own_process(const std::vector<std::string>& arguments);

}  // namespace nuri
