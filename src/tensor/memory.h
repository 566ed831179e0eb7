// Bytes by owner. All storage of tensors and all scratch of kernels is taken here, so that what a run holds is known by
// name, and so that a dry run (MetaScope) can count a step's memory before the first step.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace nuri {

enum class Owner : uint8_t {
  weights,
  packed_weights,
  gradients,
  optimizer,
  activations,
  kv_cache,
  scratch,
  saving,
  count
};
std::string_view owner_name(Owner owner);

struct MemoryUse {
  int64_t now = 0;
  int64_t peak = 0;
};

/// Bytes held by each owner, now and at most since the last reset_memory_peaks().
std::array<MemoryUse, static_cast<size_t>(Owner::count)> memory_use();
/// Bytes held by all owners together: now, and the largest sum since the last reset.
MemoryUse memory_total();
/// Bytes taken from the system: what owners hold, and free blocks that are kept for reuse.
MemoryUse memory_held();
void reset_memory_peaks();

/// 64-byte aligned memory in huge pages, cached by size (rounded up by a 16th at most): a step of about the same shapes
/// takes the same blocks again and allocates nothing. Contents are undefined. Errors: nuri::Error when the system
/// refuses.
void* allocate(size_t bytes, Owner owner);
void release(void* data, size_t bytes, Owner owner);
/// Gives the cached free blocks of 32 MB and more back to the system.
void trim_memory();

/// While alive, on this thread: where no block of its size is free, a request takes a larger free one, of up to four
/// times the size. For work whose sizes differ from call to call (ragged rows): once the largest of it has run, little
/// more is taken from the system.
class LooseBlocks {
 public:
  LooseBlocks();
  ~LooseBlocks();
  LooseBlocks(const LooseBlocks&) = delete;
  LooseBlocks& operator=(const LooseBlocks&) = delete;
};

/// While alive, on this thread: tensors have sizes but no data, kernels do nothing, and the counters count in a book of
/// their own (as if each byte had been taken, and each freed block kept). This is how the memory of a step is computed
/// by running its code.
class MetaScope {
 public:
  MetaScope();
  ~MetaScope();
  MetaScope(const MetaScope&) = delete;
  MetaScope& operator=(const MetaScope&) = delete;
};
bool meta_active();
/// The number of the scope that is active, a new one each time; 0 outside. For scratch that outlives a call.
uint64_t meta_scope();

}  // namespace nuri
