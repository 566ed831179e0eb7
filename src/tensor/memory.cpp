#include "tensor/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/profile.h"

namespace nuri {
namespace {

constexpr size_t kOwners = static_cast<size_t>(Owner::count);
constexpr size_t kHugeBytes = size_t(2) << 20;
// Blocks lie one after the other in chunks of huge pages, so that streams through many weights do not miss in the TLB
// and no block ends in a half-used page. Untouched ends of chunks take no memory. Larger blocks are chunks of their
// own.
constexpr size_t kChunkBytes = size_t(64) << 20;
#if defined(__SANITIZE_ADDRESS__)
#define NURI_OWN_BLOCKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NURI_OWN_BLOCKS 1
#endif
#endif
#ifdef NURI_OWN_BLOCKS
constexpr size_t kOwnBytes = 0;     // every block has its own guard zones
constexpr size_t kLooseFactor = 1;  // and they lie right behind what was asked for
#else
constexpr size_t kOwnBytes = kChunkBytes / 2;
constexpr size_t kLooseFactor = 4;
#endif

struct Book {
  std::array<MemoryUse, kOwners> by_owner{};
  MemoryUse total, held;
  std::unordered_map<size_t, int64_t> free;  // blocks by size, of a dry run
  size_t chunk_left = 0;                     // of the newest chunk
  void hold(int64_t bytes) {
    held.now += bytes;
    if (held.now > held.peak) held.peak = held.now;
  }
  /// Holds a new block: what lies in a chunk takes the huge pages that it is the first to touch.
  void hold_block(size_t size) {
    if (size >= kOwnBytes) return hold(static_cast<int64_t>(size));
    if (size > chunk_left) chunk_left = kChunkBytes;
    const size_t untouched = chunk_left / kHugeBytes;  // chunks end where a page does
    chunk_left -= size;
    hold(static_cast<int64_t>((untouched - chunk_left / kHugeBytes) * kHugeBytes));
  }
  void add(int64_t bytes, Owner owner) {
    MemoryUse& use = by_owner[static_cast<size_t>(owner)];
    use.now += bytes;
    total.now += bytes;
    if (use.now > use.peak) use.peak = use.now;
    if (total.now > total.peak) total.peak = total.now;
  }
};

struct Pool {
  std::mutex mutex;
  std::unordered_map<size_t, std::vector<void*>> free_blocks;  // by rounded size
  std::unordered_map<void*, size_t> larger;                    // blocks in use for less than their size, with it
  char* chunk_end = nullptr;                                   // of the newest chunk
  Book book;
};
Pool& pool() {
  static auto* p = new Pool;  // tensors of static lifetime may outlive static destructors
  return *p;
}

thread_local int t_loose = 0;
thread_local int t_meta = 0;
thread_local Book t_meta_book;
thread_local uint64_t t_meta_scope = 0;
std::atomic<uint64_t> g_meta_scopes{0};

/// Sizes are few, so that a step whose rows are cut elsewhere than the last one's finds the blocks of the last one: 16
/// for each power of two, whole huge pages from 32 MB on.
size_t rounded(size_t bytes) {
  const size_t unit = bytes >= kChunkBytes / 2 ? kHugeBytes : std::max<size_t>(64, std::bit_floor(bytes) / 16);
  return (bytes + unit - 1) / unit * unit;
}

/// Memory from the system; null when it refuses. Aligned to huge pages, if it may hold some.
void* take(size_t size) {
  const size_t alignment = size >= kHugeBytes ? kHugeBytes : 64;
  void* block = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (block && size >= kHugeBytes) ::madvise(block, size, MADV_HUGEPAGE);
  return block;
}

/// The smallest free block of at least `size` bytes, and of the next sizes if loose; null where there is none.
void* take_free(Pool& p, size_t size) {
  const size_t most = t_loose > 0 ? kLooseFactor * size : size;
  for (size_t s = size; s <= most; s = rounded(s + 1)) {
    const auto found = p.free_blocks.find(s);
    if (found == p.free_blocks.end() || found->second.empty()) continue;
    void* block = found->second.back();
    found->second.pop_back();
    if (s > size) p.larger[block] = s;
    return block;
  }
  return nullptr;
}

/// A new block; the rest of a chunk that is too short for it is left untouched. Null when the system refuses.
void* take_block(Pool& p, size_t size) {
  void* own = nullptr;
  if (size >= kOwnBytes) {
    own = take(size);
    if (!own) return nullptr;
  } else if (size > p.book.chunk_left) {
    char* chunk = static_cast<char*>(take(kChunkBytes));
    if (!chunk) return nullptr;
    p.chunk_end = chunk + kChunkBytes;
  }
  p.book.hold_block(size);
  return own ? own : p.chunk_end - p.book.chunk_left - size;
}

Book& current_book() { return t_meta ? t_meta_book : pool().book; }

}  // namespace

std::string_view owner_name(Owner owner) {
  switch (owner) {
    case Owner::weights:
      return "weights";
    case Owner::packed_weights:
      return "packed weights";
    case Owner::gradients:
      return "gradients";
    case Owner::optimizer:
      return "optimizer";
    case Owner::activations:
      return "activations";
    case Owner::kv_cache:
      return "kv cache";
    case Owner::scratch:
      return "scratch";
    case Owner::saving:
      return "copy being saved";
    case Owner::count:
      break;
  }
  return "?";
}

std::array<MemoryUse, kOwners> memory_use() {
  std::lock_guard<std::mutex> lock(pool().mutex);
  return current_book().by_owner;
}

MemoryUse memory_total() {
  std::lock_guard<std::mutex> lock(pool().mutex);
  return current_book().total;
}

MemoryUse memory_held() {
  std::lock_guard<std::mutex> lock(pool().mutex);
  return current_book().held;
}

void reset_memory_peaks() {
  std::lock_guard<std::mutex> lock(pool().mutex);
  Book& book = current_book();
  for (MemoryUse& use : book.by_owner) use.peak = use.now;
  book.total.peak = book.total.now;
  book.held.peak = book.held.now;
}

void* allocate(size_t bytes, Owner owner) {
  const size_t size = rounded(bytes);
  if (t_meta) {
    t_meta_book.add(static_cast<int64_t>(size), owner);
    if (int64_t& free = t_meta_book.free[size]; free > 0)
      --free;
    else
      t_meta_book.hold_block(size);
    return nullptr;
  }
  if (size == 0) return nullptr;
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  void* block = take_free(p, size);
  const bool reused = block != nullptr;
  if (!reused) block = take_block(p, size);
  NURI_CHECK(
      block,
      "the system refuses {} bytes of memory for {}; use a smaller batch or model, or a machine with more memory", size,
      owner_name(owner));
  p.book.add(static_cast<int64_t>(size), owner);
  profile::allocated(static_cast<int64_t>(size), !reused);
  return block;
}

void release(void* data, size_t bytes, Owner owner) {
  const size_t size = rounded(bytes);
  if (!data) {
    if (!t_meta) return;
    t_meta_book.add(-static_cast<int64_t>(size), owner);
    ++t_meta_book.free[size];
    return;
  }
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  p.book.add(-static_cast<int64_t>(size), owner);
  size_t whole = size;
  if (const auto found = p.larger.find(data); found != p.larger.end()) {
    whole = found->second;
    p.larger.erase(found);
  }
  p.free_blocks[whole].push_back(data);
}

LooseBlocks::LooseBlocks() { ++t_loose; }
LooseBlocks::~LooseBlocks() { --t_loose; }

void trim_memory() {
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  for (auto& [size, blocks] : p.free_blocks) {
    if (size < kOwnBytes) continue;
    for (void* block : blocks) std::free(block);
    p.book.hold(-static_cast<int64_t>(size * blocks.size()));
    blocks.clear();
  }
}

MetaScope::MetaScope() {
  if (t_meta++ > 0) return;
  t_meta_book = Book{};
  t_meta_scope = ++g_meta_scopes;
}
MetaScope::~MetaScope() { --t_meta; }
bool meta_active() { return t_meta > 0; }
uint64_t meta_scope() { return t_meta > 0 ? t_meta_scope : 0; }

}  // namespace nuri
