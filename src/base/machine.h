// Facts about the machine and what of it this process may use.
#pragma once

#include <cstdint>
#include <string>

namespace nuri {

/// "AMD EPYC 7B13 64-Core Processor", from the system; "unknown" where it says nothing.
std::string cpu_model();

/// Bytes of memory of the machine; 0 where unknown.
int64_t machine_memory();

/// Bytes this process may use: the machine's memory or the smallest limit of its control groups (v1 and v2).
int64_t memory_allowed();

/// Resident memory of this process now, in bytes.
struct Resident {
  int64_t anonymous = 0;  ///< heap and stacks
  int64_t file = 0;       ///< mapped files: the program, libraries, data; given back when memory is short
};
Resident resident_bytes();

/// Largest resident memory of this process so far, in bytes.
int64_t peak_resident_bytes();

/// From now on large blocks go back to the system when they are freed, for verbs that promise to stay within a limit:
/// otherwise the allocator keeps the peak of each phase of the work.
void return_freed_memory();

}  // namespace nuri
