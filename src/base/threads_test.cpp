#include "base/threads.h"

#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>
#include <vector>

#include "base/test_support.h"

namespace nuri {
namespace {

struct Threads : testing::Test {
  int before = thread_count();
  ~Threads() override { set_thread_count(before); }
};

TEST_F(Threads, EveryTaskRunsOnceForEveryNumberOfThreads) {
  for (const int threads : {1, 2, 3, 5, 8}) {
    set_thread_count(threads);
    EXPECT_EQ(thread_count(), threads);
    for (const int64_t n : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(n));
      parallel_for(n, [&](int64_t task) { runs[static_cast<size_t>(task)].fetch_add(1); });
      for (const auto& r : runs) ASSERT_EQ(r.load(), 1);
    }
  }
}

TEST_F(Threads, PartsRunOnceWhereverTheyEnd) {
  for (const int threads : {1, 2, 3, 8}) {
    set_thread_count(threads);
    for (const int64_t n : {0, 1, 2, 7, 1000}) {
      for (const bool all_of_the_last : {false, true}) {
        std::vector<std::atomic<int>> runs(static_cast<size_t>(n));
        const auto body = [&](int64_t task) { runs[static_cast<size_t>(task)].fetch_add(1); };
        std::vector<int64_t> ends(static_cast<size_t>(threads), 0);
        ends.back() = n;  // the others help
        all_of_the_last ? parallel_parts(ends, body) : parallel_parts(n, body);
        for (const auto& r : runs) ASSERT_EQ(r.load(), 1);
      }
    }
  }
}

// Tasks that wait for each other show who runs them: each thread begins with the first of its own part.
TEST_F(Threads, EachThreadBeginsWithItsOwnPart) {
  set_thread_count(3);
  std::atomic<int> begun{0};
  std::vector<int> thread_of(6, -1);
  parallel_parts(6, [&](int64_t task) {
    thread_of[static_cast<size_t>(task)] = thread_index();
    if (task % 2 == 0) {
      begun.fetch_add(1);
      while (begun.load() < 3) std::this_thread::yield();
    }
  });
  EXPECT_EQ(thread_of[0], 0);
  EXPECT_EQ(thread_of[2], 1);
  EXPECT_EQ(thread_of[4], 2);
}

TEST_F(Threads, RangesCoverWithoutOverlap) {
  set_thread_count(3);
  std::vector<int> hits(1001, 0);
  parallel_ranges(1001, 64, [&](int64_t begin, int64_t end) {
    EXPECT_LE(end - begin, 64);
    for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
  });
  EXPECT_EQ(std::accumulate(hits.begin(), hits.end(), 0), 1001);
  EXPECT_EQ(*std::max_element(hits.begin(), hits.end()), 1);
  parallel_ranges(0, 64, [](int64_t, int64_t) { FAIL(); });
}

TEST_F(Threads, AnExceptionReachesTheCallerAndThePoolLivesOn) {
  for (const int threads : {1, 4}) {
    set_thread_count(threads);
    for (int repeat = 0; repeat < 100; ++repeat) {
      const std::string message = test::error_of([&] {
        const auto body = [&](int64_t task) {
          if (task == 37) fail("task {} failed", task);
        };
        repeat % 2 ? parallel_for(100, body) : parallel_parts(100, body);
      });
      EXPECT_EQ(message, "task 37 failed");
      std::atomic<int> done{0};
      parallel_for(10, [&](int64_t) { done.fetch_add(1); });
      ASSERT_EQ(done.load(), 10);
    }
  }
}

TEST_F(Threads, NestedRegionsRunInline) {
  set_thread_count(4);
  std::atomic<int> inner{0}, moved{0};
  parallel_for(8, [&](int64_t) {
    const auto self = std::this_thread::get_id();
    const auto count = [&](int64_t) {
      inner.fetch_add(1);
      if (std::this_thread::get_id() != self) moved.fetch_add(1);
    };
    parallel_for(8, count);
    parallel_parts(std::vector<int64_t>{0, 8, 8, 8}, count);
  });
  EXPECT_EQ(inner.load(), 8 * 16);
  EXPECT_EQ(moved.load(), 0);
}

TEST_F(Threads, ManyTinyRegions) {
  set_thread_count(3);
  int64_t sum = 0;
  for (int region = 0; region < 3'000; ++region) {
    int64_t parts[3] = {};
    parallel_for(3, [&](int64_t task) { parts[task] = task + region; });
    sum += parts[0] + parts[1] + parts[2];
  }
  EXPECT_EQ(sum, int64_t{3} * (3'000 - 1) * 3'000 / 2 + 3 * 3'000);
}

TEST_F(Threads, RegionsOfSeveralCallersTakeTurns) {
  set_thread_count(3);
  std::atomic<int> total{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      for (int region = 0; region < 200; ++region) parallel_for(5, [&](int64_t) { total.fetch_add(1); });
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(total.load(), 4 * 200 * 5);
}

TEST_F(Threads, WorkersFlushSubnormalsAndKnowTheirIndex) {
  set_thread_count(4);
  FlushSubnormals flush;
  std::atomic<int> wrong{0};
  volatile float smallest = 0x1p-126f;
  for (int region = 0; region < 100; ++region)
    parallel_for(16, [&](int64_t) {
      if ((_mm_getcsr() & 0x8040) != 0x8040 || smallest * 0.5f != 0.0f) wrong.fetch_add(1);
      if (thread_index() < 0 || thread_index() >= 4) wrong.fetch_add(1);
    });
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(thread_index(), 0);
}

TEST_F(Threads, FlushingEndsWithItsScope) {
  const unsigned before = _mm_getcsr();
  {
    FlushSubnormals outer;
    EXPECT_EQ(_mm_getcsr() & 0x8040, 0x8040u);
    { FlushSubnormals inner; }
    EXPECT_EQ(_mm_getcsr() & 0x8040, 0x8040u);
  }
  EXPECT_EQ(_mm_getcsr() & 0x8040, before & 0x8040);
}

TEST_F(Threads, AnImpossibleNumberIsRefused) {
  EXPECT_NE(test::error_of([] { set_thread_count(0); }).find("allowed are 1 to 1024"), std::string::npos);
  EXPECT_GE(cores_allowed(), 1);
}

}  // namespace
}  // namespace nuri
