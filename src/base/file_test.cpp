#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/test_support.h"

namespace nuri {
namespace {

using test::error_of;

TEST(File, WritesAndReadsBack) {
  const test::TempDir dir;
  std::string bytes(3 << 20, '\0');  // more than one buffer
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 >> 3);
  write_file_atomic(dir.path() / "a", bytes);
  EXPECT_EQ(read_file(dir.path() / "a"), bytes);
  EXPECT_EQ(MappedFile(dir.path() / "a").text(), bytes);
  write_file_atomic(dir.path() / "a", "");
  EXPECT_EQ(read_file(dir.path() / "a"), "");
  EXPECT_EQ(MappedFile(dir.path() / "a").size(), 0u);
}

TEST(File, UncommittedFileLeavesNothing) {
  const test::TempDir dir;
  write_file_atomic(dir.path() / "a", "old");
  {
    AtomicFile file(dir.path() / "a");
    file.write("new");
    EXPECT_EQ(file.written(), 3u);
  }
  EXPECT_EQ(read_file(dir.path() / "a"), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()), 1);
}

TEST(File, ErrorsNamePathCauseAndRemedy) {
  const test::TempDir dir;
  const auto path = dir.path() / "absent";
  EXPECT_NE(error_of([&] { read_file(path); }).find(path.string() + ": cannot open (No such file"), std::string::npos);
  EXPECT_NE(error_of([&] { read_file(dir.path()); }).find("not a regular file"), std::string::npos);
  write_file_atomic(path, "12345");
  EXPECT_NE(error_of([&] { read_file(path, 4); }).find("5 bytes; at most 4"), std::string::npos);
  EXPECT_NE(error_of([&] { write_file_atomic(dir.path() / "no" / "x", "1"); }).find("cannot create"),
            std::string::npos);
  ASSERT_EQ(::mkfifo((dir.path() / "fifo").c_str(), 0600), 0);
  EXPECT_NE(error_of([&] { read_file(dir.path() / "fifo"); }).find("not a regular file"), std::string::npos);
  EXPECT_NE(error_of([&] { MappedFile(dir.path() / "fifo"); }).find("not a regular file"), std::string::npos);
}

TEST(File, FullDiskLeavesTheOldFile) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  EXPECT_NE(error_of([] { sync_path("/nowhere/at/all"); }).find("/nowhere/at/all"), std::string::npos);
  const test::TempDir dir;
  // The temporary file of AtomicFile is a link to /dev/full: every flush meets ENOSPC.
  write_file_atomic(dir.path() / "a", "old");
  fs::create_symlink("/dev/full", dir.path() / "a.partial");
  const std::string error = error_of([&] { write_file_atomic(dir.path() / "a", "new"); });
  EXPECT_NE(error.find("the disk is full"), std::string::npos) << error;
  EXPECT_EQ(read_file(dir.path() / "a"), "old");
}

TEST(File, WritersOfOnePathDoNotMeet) {
  const test::TempDir dir;
  const fs::path path = dir.path() / "a";
  write_file_atomic(dir.path() / "a.partial", "left by a killed writer, longer than the next one's");
  {
    AtomicFile first(path), second(path), dropped(path);
    first.write("first");
    second.write("second");
    dropped.write("dropped");
    second.commit();
    EXPECT_EQ(read_file(path), "second");
    first.commit();
  }
  EXPECT_EQ(read_file(path), "first");
  // And many at once: every one succeeds, and a reader sees whole files only.
  constexpr int kWriters = 4, kFiles = 20;
  std::atomic<int> left{kWriters};
  std::vector<std::thread> writers;
  std::vector<std::string> errors(kWriters);
  for (int w = 0; w < kWriters; ++w)
    writers.emplace_back([&, w] {
      errors[static_cast<size_t>(w)] = error_of([&] {
        for (int i = 0; i < kFiles; ++i)
          write_file_atomic(path, std::string(static_cast<size_t>(5000 + 3000 * w), static_cast<char>('a' + w)));
      });
      --left;
    });
  int torn = 0;
  while (left > 0) {
    const std::string text = read_file(path);
    if (text == "first") continue;
    const size_t size = text.empty() ? 0 : static_cast<size_t>(5000 + 3000 * (text[0] - 'a'));
    torn += text.size() != size || text.find_first_not_of(text[0]) != std::string::npos;
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(torn, 0);
  for (const std::string& error : errors) EXPECT_EQ(error, "no error");
  int files = 0;
  for (const auto& entry : fs::directory_iterator(dir.path())) files += entry.is_regular_file();
  EXPECT_EQ(files, 1) << "something was left aside";
}

TEST(File, MovedMapKeepsItsBytes) {
  const test::TempDir dir;
  write_file_atomic(dir.path() / "a", "abc");
  MappedFile first(dir.path() / "a");
  MappedFile second(std::move(first));
  EXPECT_EQ(second.text(), "abc");
  MappedFile third;
  third = std::move(second);
  EXPECT_EQ(third.text(), "abc");
}

}  // namespace
}  // namespace nuri
