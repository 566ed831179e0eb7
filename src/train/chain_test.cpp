#include "train/chain.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/test_support.h"

namespace nuri {
namespace {

TEST(Chain, LinksDependOnEverythingBefore) {
  const test::TempDir dir;
  Chain chain(dir.path(), 0, {{"seed", "0"}, {"data", "d"}});
  const std::string first = chain.link();
  chain.add(10, {{"model.safetensors", "aa"}});
  chain.add(20, {{"model.safetensors", "bb"}});
  chain.add(20, {{"model.safetensors", "other"}});  // saved twice: the first counts
  EXPECT_EQ(read_chain(dir.path()).size(), 3u);
  const test::TempDir other;
  Chain changed(other.path(), 0, {{"seed", "1"}, {"data", "d"}});
  EXPECT_NE(changed.link(), first);
  changed.add(10, {{"model.safetensors", "aa"}});
  changed.add(20, {{"model.safetensors", "bb"}});
  EXPECT_NE(changed.link(), chain.link());
}

TEST(Chain, AResumedRunMakesTheSameChain) {
  const test::TempDir dir;
  std::string link;
  {
    Chain chain(dir.path(), 0, {{"seed", "0"}});
    for (const int64_t step : {10, 20, 30}) chain.add(step, {{"f", std::to_string(step)}});
    link = chain.link();
  }
  Chain resumed(dir.path(), 10, {{"seed", "9"}});
  EXPECT_EQ(resumed.step(), 10);
  for (const int64_t step : {20, 30}) resumed.add(step, {{"f", std::to_string(step)}});
  EXPECT_EQ(resumed.link(), link);
}

TEST(Chain, ARunWithoutAChainBeginsOneAtItsCheckpoint) {
  const test::TempDir dir;
  Chain chain(dir.path(), 50, {{"seed", "0"}});
  EXPECT_EQ(read_chain(dir.path())[0].facts.at(kChainBroken), "50");
}

TEST(Chain, DamagedFilesAreRefused) {
  EXPECT_EQ(parse_chain("{\"step\":0,\"facts\":{},\"link\":\"a\"}\n{\"step\":", "c").size(), 1u);
  for (const char* bad : {"x\n", "{}\n", "{\"step\":-1,\"facts\":{},\"link\":\"a\"}\n",
                          "{\"step\":3,\"facts\":{},\"link\":\"a\"}\n{\"step\":3,\"facts\":{},\"link\":\"a\"}\n"})
    EXPECT_THROW(parse_chain(bad, "c"), Error) << bad;
}

}  // namespace
}  // namespace nuri
