#include "base/profile.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/clock.h"
#include "base/threads.h"

namespace nuri {
namespace {

using profile::Recording;

void spin(double seconds) {
  const double end = seconds_now() + seconds;
  while (seconds_now() < end) {
  }
}

void kernel(const char* name, int tasks, double seconds) {
  profile::Work work{name, profile::Kind::product, "2 x 3"};
  work.flops = 12;
  if (!profile::on()) return;
  const profile::Kernel span(std::move(work));
  parallel_for(tasks, [&](int64_t) {
    const profile::Doing packing(profile::Activity::packing);
    spin(seconds);
  });
}

TEST(Profile, IsOffUnlessAskedFor) {
  EXPECT_FALSE(profile::on());
  profile::step("step");
  const profile::Scope scope("module");
  profile::allocated(10, true);
  EXPECT_FALSE(profile::on());
}

TEST(Profile, RecordsTheStepsAskedFor) {
  Recording got;
  int times = 0;
  profile::start(1, 2, 3, [&](Recording r) { got = std::move(r), ++times; });
  for (int i = 0; i < 10; ++i) {
    profile::step("step");
    kernel("k", 1, 0);
    kernel("k", 1, 0);
  }
  profile::stop();
  EXPECT_EQ(times, 1);
  EXPECT_EQ(got.steps, 3);
  ASSERT_EQ(got.kernels.size(), 6u);
  ASSERT_EQ(got.stretches.size(), 3u);
  EXPECT_EQ(got.stretches[2].name, "step 3");
  EXPECT_LE(got.stretches[2].end, got.end);
}

TEST(Profile, WhereNoStepIsReachedAllOfItIsHandedOver) {
  for (const int64_t skip : {1, 5}) {
    Recording got;
    int times = 0;
    profile::start(1, skip, 1, [&](Recording r) { got = std::move(r), ++times; });
    kernel("before", 1, 0);
    profile::step("step");
    kernel("k", 1, 0);
    profile::stop();
    profile::step("step");
    kernel("after", 1, 0);
    EXPECT_EQ(times, 1);
    EXPECT_TRUE(got.whole);
    EXPECT_EQ(got.steps, 1);
    ASSERT_EQ(got.kernels.size(), 2u);
    EXPECT_EQ(got.kernels[0].work.kernel, std::string("before"));
  }
}

TEST(Profile, FewerStepsThanWantedAreHandedOver) {
  Recording got;
  profile::start(1, 1, 5, [&](Recording r) { got = std::move(r); });
  for (int i = 0; i < 3; ++i) {
    profile::step("step");
    kernel("k", 1, 0);
  }
  profile::stop();
  EXPECT_FALSE(got.whole);
  EXPECT_EQ(got.steps, 2);
  EXPECT_EQ(got.kernels.size(), 2u);
}

TEST(Profile, StepsOfWhatAStepCallsArePartOfIt) {
  Recording got;
  profile::start(1, 1, 1, [&](Recording r) { got = std::move(r); });
  {
    const profile::StepScope steps("outer");
    for (int i = 0; i < 3; ++i) {
      profile::step("outer");
      for (int k = 0; k < 4; ++k) {
        profile::step("inner");
        kernel("k", 1, 0);
      }
    }
  }
  profile::stop();
  EXPECT_EQ(got.steps, 1);
  EXPECT_EQ(got.kernels.size(), 4u);
  ASSERT_EQ(got.stretches.size(), 1u);
  EXPECT_EQ(got.stretches[0].name, "outer 1");
}

TEST(Profile, KernelsKnowModuleMemoryAndPass) {
  Recording got;
  profile::start(1, 0, 0, [&](Recording r) { got = std::move(r); });
  {
    const profile::Scope layer("layer");
    const profile::Scope op("gradient of linear", true);
    profile::allocated(100, true);
    profile::allocated(50, false);
    kernel("k", 1, 0);
  }
  kernel("k", 1, 0);
  profile::stop();
  ASSERT_EQ(got.kernels.size(), 2u);
  EXPECT_EQ(got.kernels[0].module, "layer.gradient of linear");
  EXPECT_TRUE(got.kernels[0].backward);
  EXPECT_EQ(got.kernels[0].bytes_taken, 150);
  EXPECT_EQ(got.kernels[0].bytes_fresh, 100);
  EXPECT_EQ(got.kernels[1].bytes_taken, 0);
  EXPECT_FALSE(got.kernels[1].backward);
  EXPECT_EQ(got.stretches.size(), 2u);
}

TEST(Profile, WaitingThreadsAreIdleAndPackingIsPartOfTheWork) {
  const int before = thread_count();
  set_thread_count(2);
  Recording got;
  profile::start(2, 0, 0, [&](Recording r) { got = std::move(r); });
  kernel("one task", 1, 0.01);
  kernel("two tasks", 2, 0.01);
  profile::stop();
  set_thread_count(before);
  ASSERT_EQ(got.kernels.size(), 2u);
  const profile::KernelRecord &one = got.kernels[0], &two = got.kernels[1];
  const auto all = [](const profile::KernelRecord& k) {
    return std::accumulate(k.busy.begin(), k.busy.end(), int64_t{0});
  };
  for (const profile::KernelRecord* k : {&one, &two}) {
    ASSERT_EQ(k->busy.size(), 2u);
    for (const int64_t busy : k->busy) EXPECT_LE(busy, k->end - k->begin);
  }
  EXPECT_GE(all(one), 10'000'000);
  EXPECT_GE(all(two), 20'000'000);
  EXPECT_GE(two.packing, 20'000'000);
  EXPECT_LE(two.packing, all(two));
}

}  // namespace
}  // namespace nuri
