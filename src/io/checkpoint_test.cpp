#include "io/checkpoint.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/file.h"
#include "base/test_support.h"
#include "io/model_files.h"
#include "io/model_write.h"
#include "io/run_lock.h"

namespace nuri {
namespace {

using test::error_of;

/// Weights that are a function of the step.
std::vector<NamedTensor> weights(int64_t step) {
  std::vector<NamedTensor> out;
  for (int k = 0; k < 3; ++k) {
    Tensor tensor = Tensor::empty({40, 50});
    for (float& x : tensor.span<float>()) x = static_cast<float>(step * 10 + k);
    out.push_back({fmt::format("tensor.{}", k), tensor});
  }
  return out;
}

fs::path save(const fs::path& root, int64_t step) {
  CheckpointWriter writer(root, step);
  writer.write("config.json", fmt::format("{{\"step\": {}}}\n", step));
  write_model_weights(writer.directory(), weights(step), {}, 9000);
  write_safetensors(writer.directory() / "trainer" / "moments.safetensors", weights(-step));
  writer.write("trainer/state.json", std::to_string(step));
  return writer.commit();
}

void expect_is(const CheckpointInfo& info) {
  EXPECT_EQ(read_file(info.directory / "trainer" / "state.json"), std::to_string(info.step));
  const ModelFiles files(info.directory);
  const SafetensorsFile moments(info.directory / "trainer" / "moments.safetensors");
  for (const NamedTensor& named : weights(info.step)) {
    EXPECT_EQ(files.load(named.name, DType::f32).span<float>()[1999], named.tensor.span<float>()[1999]);
  }
  for (const NamedTensor& named : weights(-info.step)) {
    EXPECT_EQ(moments.load(named.name, DType::f32).span<float>()[0], named.tensor.span<float>()[0]);
  }
}

std::vector<int64_t> steps(const fs::path& root) {
  std::vector<int64_t> out;
  for (const CheckpointInfo& info : list_checkpoints(root)) out.push_back(info.step);
  return out;
}

TEST(Checkpoint, WrittenWholeOrNotAtAll) {
  const test::TempDir dir;
  const fs::path root = dir.path() / "checkpoints";
  EXPECT_EQ(latest_checkpoint(root), std::nullopt);
  {
    CheckpointWriter writer(root, 5);
    writer.write("config.json", "{}");
    EXPECT_TRUE(list_checkpoints(root).empty());
  }
  EXPECT_TRUE(fs::is_empty(root));
  EXPECT_EQ(save(root, 12), root / "step-000012");
  save(root, 1234567);
  EXPECT_EQ(steps(root), (std::vector<int64_t>{12, 1234567}));
  const auto latest = latest_checkpoint(root);
  ASSERT_TRUE(latest);
  EXPECT_EQ(latest->directory, root / "step-1234567");
  expect_is(*latest);
  EXPECT_NE(error_of([&] { save(root, 12); }).find("exists already"), std::string::npos);
}

TEST(Checkpoint, DamagedOnesArePassedOverAndReplaced) {
  const test::TempDir dir;
  for (const int step : {1, 2, 3}) save(dir.path(), step);
  fs::resize_file(dir.path() / "step-000003" / "trainer" / "moments.safetensors", 100);
  fs::remove(dir.path() / "step-000002" / "config.json");
  std::vector<std::string> skipped;
  EXPECT_EQ(latest_checkpoint(dir.path(), &skipped)->step, 1);
  ASSERT_EQ(skipped.size(), 2u);
  EXPECT_NE(skipped[0].find("moments.safetensors: 100 bytes, "), std::string::npos) << skipped[0];
  EXPECT_NE(skipped[1].find("config.json: cannot be read"), std::string::npos) << skipped[1];
  save(dir.path(), 3);
  EXPECT_EQ(latest_checkpoint(dir.path())->step, 3);
  write_file_atomic(dir.path() / "step-000003" / "trainer" / "files.json", "{\"files\": 7}");
  EXPECT_EQ(latest_checkpoint(dir.path())->step, 1);
}

TEST(Checkpoint, PruningKeepsWhatThePolicySays) {
  const test::TempDir dir;
  for (int step = 1; step <= 9; ++step) save(dir.path(), step);
  EXPECT_EQ(prune_checkpoints(dir.path(), {.last = 2, .every = 4, .best = 3}), (std::vector<int64_t>{1, 2, 5, 6, 7}));
  EXPECT_EQ(steps(dir.path()), (std::vector<int64_t>{3, 4, 8, 9}));
  EXPECT_EQ(prune_checkpoints(dir.path(), {.last = 9}), std::vector<int64_t>());
  EXPECT_EQ(prune_checkpoints(dir.path(), {.last = 1}), (std::vector<int64_t>{3, 4, 8}));
}

TEST(Checkpoint, LeftoversGoAndNothingElse) {
  const test::TempDir dir;
  save(dir.path(), 1);
  for (const char* name :
       {"step-000002.partial", "step-000003.removed", "step-2.partial", "other.partial", "step-000004x"}) {
    fs::create_directories(dir.path() / name / "trainer");
  }
  EXPECT_EQ(clean_leftovers(dir.path()), 2);
  EXPECT_FALSE(fs::exists(dir.path() / "step-000002.partial") || fs::exists(dir.path() / "step-000003.removed"));
  EXPECT_TRUE(fs::exists(dir.path() / "other.partial") && fs::exists(dir.path() / "step-2.partial"));
  EXPECT_EQ(steps(dir.path()), std::vector<int64_t>{1});
  EXPECT_EQ(clean_leftovers(dir.path() / "absent"), 0);
}

TEST(Checkpoint, PublishedModelReplacesAnEarlierOne) {
  const test::TempDir dir;
  const fs::path out = dir.path() / "out";
  publish_model(save(dir.path(), 1), out);
  EXPECT_EQ(ModelFiles(out).load("tensor.2", DType::f32).span<float>()[7], 12);
  {
    CheckpointWriter writer(dir.path(), 2);
    writer.write("config.json", "{}");
    write_model_weights(writer.directory(), weights(2));  // one file where there were shards
    writer.commit();
  }
  publish_model(dir.path() / "step-000002", out);
  EXPECT_EQ(ModelFiles(out).load("tensor.2", DType::f32).span<float>()[7], 22);
  EXPECT_FALSE(fs::exists(out / kIndexName) || fs::exists(out / "trainer"));
  EXPECT_EQ(ModelFiles(dir.path() / "step-000001").load("tensor.2", DType::f32).span<float>()[7], 12);
}

TEST(Checkpoint, SurvivesKillsAtAnyInstant) {
  const test::TempDir dir, trial;
  const auto start = std::chrono::steady_clock::now();
  save(trial.path(), 1);
  const auto one =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start).count();
  int64_t last = 0;
  uint32_t random = 12345;
  for (int kill_number = 0; kill_number < 15; ++kill_number) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int64_t step = last + 1;; ++step) {
        save(dir.path(), step);
        prune_checkpoints(dir.path(), {.last = 2});
      }
    }
    random = random * 1664525 + 1013904223;
    if (kill_number % 5 == 0) {  // so that there is progress on the slowest disk
      while (list_checkpoints(dir.path()).empty() || list_checkpoints(dir.path()).back().step <= last) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds((random >> 8) % (2 * one + 1)));
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    std::vector<std::string> skipped;
    const auto latest = latest_checkpoint(dir.path(), &skipped);
    EXPECT_TRUE(skipped.empty());
    if (latest) expect_is(*latest);
    const int64_t now = latest ? latest->step : 0;
    ASSERT_GE(now, last);
    last = now;
    clean_leftovers(dir.path());
  }
  EXPECT_GE(last, 3);
}

TEST(RunLock, OneProcessAtATime) {
  const test::TempDir dir;
  {
    const RunLock lock(dir.path());
    const std::string error = error_of([&] { RunLock second(dir.path()); });
    EXPECT_NE(error.find(fmt::format("another process (pid {})", getpid())), std::string::npos) << error;
  }
  const RunLock again(dir.path());
  EXPECT_NE(error_of([&] { RunLock(dir.path() / "absent"); }).find("cannot open"), std::string::npos);
}

TEST(FreeSpace, IsCheckedBeforeItIsNeeded) {
  const test::TempDir dir;
  EXPECT_GT(free_bytes(dir.path() / "not" / "yet"), 0u);
  require_free_bytes(dir.path(), 1, "checkpoints");
  EXPECT_NE(error_of([&] {
              require_free_bytes(dir.path(), UINT64_MAX, "3 checkpoints");
            }).find("3 checkpoints need 18446744073709.6 MB"),
            std::string::npos);
}

}  // namespace
}  // namespace nuri
