#include "tensor/memory.h"

#include <gtest/gtest.h>

#include <vector>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NURI_OWN_BLOCKS 1
#endif
#endif

namespace nuri {
namespace {

TEST(LooseBlocks, WorkOfChangingSizesFindsTheBlocksOfTheLargest) {
  const auto work = [](size_t bytes) {  // three blocks at a time, of a size and its half
    void* a = allocate(bytes, Owner::activations);
    void* b = allocate(bytes / 2, Owner::activations);
    release(a, bytes, Owner::activations);
    void* c = allocate(bytes, Owner::activations);
    release(b, bytes / 2, Owner::activations);
    release(c, bytes, Owner::activations);
  };
  constexpr size_t kLargest = size_t(3) << 20;
  const auto grown = [&] {
    const int64_t before = memory_held().now;
    for (size_t bytes = kLargest; bytes > kLargest / 3; bytes -= 10007) work(bytes);
    return memory_held().now - before;
  };
  {
    const LooseBlocks loose;
    work(kLargest);
    const int64_t growth = grown();
#ifdef NURI_OWN_BLOCKS
    GTEST_SKIP() << "the sanitizer keeps freed memory, each size its own";
#endif
    EXPECT_EQ(growth, 0);
  }
  EXPECT_EQ(memory_use()[static_cast<size_t>(Owner::activations)].now, 0);
  EXPECT_GT(grown(), int64_t(4) << 20);  // else each size keeps blocks of its own
  // A block that served a smaller request is whole again.
  {
    const LooseBlocks loose;
    void* small = allocate(kLargest / 2, Owner::scratch);
    release(small, kLargest / 2, Owner::scratch);
    const int64_t before = memory_held().now;
    void* a = allocate(kLargest, Owner::scratch);
    EXPECT_EQ(memory_held().now, before);
    release(a, kLargest, Owner::scratch);
  }
}

}  // namespace
}  // namespace nuri
