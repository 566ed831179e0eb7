#include "data/shard.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/test_support.h"

namespace nuri::data {
namespace {

/// Without fsync: these tests write a thousand broken files.
void write_plain(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

struct Sample {
  std::vector<std::vector<int32_t>> documents;
  std::vector<DocumentRecord> records;
};

Sample write_sample(const fs::path& path, int64_t vocab_size) {
  Sample s;
  ShardWriter writer(path, vocab_size);
  for (int d = 0; d < 50; ++d) {
    std::vector<int32_t> ids(static_cast<size_t>(1 + d * d % 37));
    for (size_t i = 0; i < ids.size(); ++i)
      ids[i] = static_cast<int32_t>((static_cast<int64_t>(i) * 7919 + d * 104729) % vocab_size);
    const DocumentRecord record{.line = uint64_t(d) + 1,
                                .text_bytes = 3 * ids.size(),
                                .hash = uint64_t(d) * 77,
                                .language = static_cast<Language>(d % 3)};
    writer.add(ids, record, d < 20 ? "a.txt" : "dir/b.jsonl");
    s.documents.push_back(ids);
    s.records.push_back(record);
  }
  writer.finish();
  return s;
}

class ShardTest : public testing::TestWithParam<int64_t> {};

TEST_P(ShardTest, RoundTrip) {
  const test::TempDir dir;
  const fs::path path = dir.path() / "x.shard";
  const Sample s = write_sample(path, GetParam());
  const Shard shard = Shard::open(path, true);
  ASSERT_EQ(shard.n_documents(), s.documents.size());
  uint64_t at = 0;
  for (uint64_t d = 0; d < shard.n_documents(); ++d) {
    const DocumentRecord r = shard.document(d);
    EXPECT_EQ(r.first_token, at);
    EXPECT_EQ(shard.first_token(d + 1), at + s.documents[d].size());
    std::vector<int32_t> ids(s.documents[d].size());
    shard.copy(at, ids);
    EXPECT_EQ(ids, s.documents[d]);
    EXPECT_EQ(shard.document_at(at), d);
    EXPECT_EQ(shard.document_at(at + ids.size() - 1), d);
    EXPECT_EQ(r.line, s.records[d].line);
    EXPECT_EQ(r.text_bytes, s.records[d].text_bytes);
    EXPECT_EQ(r.hash, s.records[d].hash);
    EXPECT_EQ(r.language, s.records[d].language);
    EXPECT_EQ(shard.file(r.file), d < 20 ? "a.txt" : "dir/b.jsonl");
    at += ids.size();
  }
  EXPECT_EQ(at, shard.n_tokens());
  // Bytes: ids in two bytes each where they fit.
  const size_t id_bytes = GetParam() <= 65536 ? 2 : 4;
  EXPECT_LT(fs::file_size(path), at * id_bytes + 50 * 40 + 256);
}

INSTANTIATE_TEST_SUITE_P(IdSizes, ShardTest, testing::Values(100, 65536, 65537, 1 << 20));

TEST(Shard, TruncationAndEveryFlippedBitIsAnError) {
  const test::TempDir dir;
  const fs::path path = dir.path() / "x.shard";
  write_sample(path, 5000);
  const std::string good = read_file(path);
  for (size_t n = 0; n < good.size(); n += n < 200 || good.size() - n < 200 ? 1 : 37) {
    write_plain(path, good.substr(0, n));
    EXPECT_THROW(Shard::open(path, false), Error) << n;
  }
  for (size_t i = 0; i < good.size(); i += 5) {
    std::string bad = good;
    bad[i] ^= static_cast<char>(1 << (i % 8));
    write_plain(path, bad);
    EXPECT_THROW(Shard::open(path, true), Error) << i;
  }
  write_plain(path, good);
  EXPECT_NO_THROW(Shard::open(path, true));
  EXPECT_THROW(Shard::open(dir.path() / "absent.shard", true), Error);
}

TEST(Shard, ErrorsNameFileAndRemedy) {
  const test::TempDir dir;
  const fs::path path = dir.path() / "x.shard";
  write_plain(path, std::string(500, 'x'));
  try {
    Shard::open(path, true);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("no shard of nuri"), std::string::npos);
  }
}

TEST(Shard, UnfinishedShardLeavesNothing) {
  const test::TempDir dir;
  {
    ShardWriter writer(dir.path() / "x.shard", 100);
    writer.add(std::vector<int32_t>{1, 2, 3}, {}, "f");
  }
  EXPECT_TRUE(fs::is_empty(dir.path()));
}

}  // namespace
}  // namespace nuri::data
