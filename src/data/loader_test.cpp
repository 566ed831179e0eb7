#include "data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/test_support.h"
#include "base/threads.h"
#include "data/data_test_support.h"
#include "data/permutation.h"

namespace nuri::data {
namespace {

using nuri::test::TempDir;

TEST(Permutation, IsOneForEverySize) {
  for (uint64_t n = 1; n <= 200; ++n) {
    const Permutation p(n, 42, 7);
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < n; ++i) seen.insert(p(i));
    EXPECT_EQ(seen.size(), n);
    EXPECT_EQ(*seen.rbegin(), n - 1);
  }
  std::vector<char> seen(100003);
  const Permutation p(seen.size(), 1, 0), other_seed(seen.size(), 2, 0), other_stream(seen.size(), 1, 1);
  int64_t same = 0, fixed = 0;
  for (uint64_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[p(i)]++, 0);
    same += p(i) == other_seed(i);
    same += p(i) == other_stream(i);
    fixed += p(i) == i;
  }
  EXPECT_LT(same, 20);  // 2 expected
  EXPECT_LT(fixed, 10);
  const Permutation huge(uint64_t(1) << 40, 3, 0);
  EXPECT_LT(huge((uint64_t(1) << 40) - 1), uint64_t(1) << 40);
}

class LoaderTest : public testing::Test {
 protected:
  void SetUp() override {
    sources_ = {{"a", test::some_documents(60, 500, 1), test::some_documents(9, 500, 2)},
                {"b", test::some_documents(25, 500, 3), test::some_documents(4, 500, 4), 2.5},
                {"tiny", {{0, 7, 1}}, {}}};
    test::write_dataset(dir_.path(), sources_, 500);
    dataset_ = Dataset::open(dir_.path());
  }
  std::vector<int32_t> ring(size_t s) const {
    std::vector<int32_t> out;
    for (const auto& d : sources_[s].train) out.insert(out.end(), d.begin(), d.end());
    return out;
  }
  TempDir dir_;
  std::vector<test::TestSource> sources_;
  Dataset dataset_;
};

TEST_F(LoaderTest, RowsAreWindowsOfTheRing) {
  const Loader loader(dataset_, {.length = 31, .seed = 5, .weights = {}});
  const Batch batch = loader.rows(0, static_cast<int64_t>(loader.rows_per_epoch()));
  for (int64_t r = 0; r < batch.n_rows; ++r) {
    const auto piece =
        std::find_if(batch.pieces.begin(), batch.pieces.end(), [&](const Piece& p) { return p.row == r; });
    const std::vector<int32_t> all = ring(static_cast<size_t>(piece->origin.source));
    const uint64_t start = piece->origin.begin + piece->offset;
    for (int64_t i = 0; i <= 31; ++i) {
      ASSERT_EQ(batch.tokens[static_cast<size_t>(r * 32 + i)], all[(start + static_cast<uint64_t>(i)) % all.size()]);
    }
  }
}

TEST_F(LoaderTest, DocumentsAndPiecesAgreeWithTheText) {
  const Loader loader(dataset_, {.length = 50, .seed = 9, .weights = {}});
  const Batch batch = loader.rows(3, 200);
  std::vector<int> covered(batch.tokens.size());
  for (const Piece& p : batch.pieces) {
    const auto& document = sources_[static_cast<size_t>(p.origin.source)].train[p.origin.line - 1];
    ASSERT_EQ(p.origin.end - p.origin.begin, document.size());
    for (int64_t c = p.begin; c < p.end; ++c) {
      const auto at = static_cast<size_t>(p.row * 51 + c);
      ++covered[at];
      EXPECT_EQ(batch.tokens[at], document[p.offset + static_cast<uint64_t>(c - p.begin)]);
      EXPECT_EQ(batch.documents[at], batch.documents[static_cast<size_t>(p.row * 51 + p.begin)]);
    }
  }
  EXPECT_EQ(std::count(covered.begin(), covered.end(), 1), static_cast<int64_t>(covered.size()));
  for (int64_t r = 0; r < batch.n_rows; ++r) {
    EXPECT_EQ(batch.documents[static_cast<size_t>(r * 51)], 0);
    for (int64_t c = 1; c <= 50; ++c) {
      const auto at = static_cast<size_t>(r * 51 + c);
      const bool begins = batch.tokens[at] == 0;  // the begin token stands nowhere else
      EXPECT_EQ(batch.documents[at], batch.documents[at - 1] + begins);
    }
  }
}

TEST_F(LoaderTest, EveryTokenIsATargetOncePerPass) {
  const Loader loader(dataset_, {.length = 17, .seed = 11, .weights = {{"b", 1.0}}});
  for (uint64_t epoch = 0; epoch < 3; ++epoch) {
    const Batch batch = loader.rows(epoch * loader.rows_per_epoch(), static_cast<int64_t>(loader.rows_per_epoch()));
    std::map<std::pair<int, uint64_t>, int> targets;
    for (const Piece& p : batch.pieces) {
      for (int64_t c = std::max<int64_t>(1, p.begin); c < p.end; ++c) {
        ++targets[{p.origin.source, p.origin.begin + p.offset + static_cast<uint64_t>(c - p.begin)}];
      }
    }
    for (int s = 0; s < 2; ++s) {
      const uint64_t n = ring(static_cast<size_t>(s)).size();
      uint64_t once = 0;
      for (const auto& [key, count] : targets) {
        if (key.first == s) {
          EXPECT_EQ(count, 1);
          ++once;
        }
      }
      EXPECT_EQ(once, n / 17 * 17);
    }
  }
}

TEST_F(LoaderTest, WeightsAreRowsPerEpoch) {
  const Loader loader(dataset_, {.length = 20, .seed = 1, .weights = {{"tiny", 0.0}}});
  const uint64_t a = ring(0).size() / 20, b = ring(1).size() / 20;
  EXPECT_EQ(loader.rows_per_epoch(), a + static_cast<uint64_t>(2.5 * static_cast<double>(b) + 0.5));
  std::map<int, uint64_t> rows;
  std::map<uint64_t, int> starts_of_b;
  for (const uint64_t n = 2 * loader.rows_per_epoch();
       const Piece& p : loader.rows(0, static_cast<int64_t>(n)).pieces) {
    rows[p.origin.source] += p.begin == 0;
    if (p.origin.source == 1 && p.begin == 0) ++starts_of_b[p.origin.begin + p.offset];
  }
  EXPECT_EQ(rows[0], 2 * a);
  EXPECT_EQ(rows[1], 2 * (loader.rows_per_epoch() - a));
  EXPECT_EQ(rows.count(2), 0u);
  EXPECT_GT(starts_of_b.size(), 2 * b);  // passes cut at other places
  EXPECT_THROW(Loader(dataset_, {.length = 20, .seed = 1, .weights = {{"absent", 1.0}}}), Error);
  EXPECT_THROW(Loader(dataset_, {.length = 20, .seed = 1, .weights = {{"a", 0.0}, {"b", 0.0}, {"tiny", 0.0}}}), Error);
  EXPECT_THROW(Loader(dataset_, {.length = 20, .seed = 1, .weights = {{"a", -1.0}}}), Error);
}

TEST_F(LoaderTest, ResumeAndSharingGiveTheSameRows) {
  const Loader loader(dataset_, {.length = 24, .seed = 77, .weights = {}});
  const Batch whole = loader.rows(1000, 64);
  for (int threads : {1, 2, 3}) {
    set_thread_count(threads);
    const Dataset again = Dataset::open(dir_.path());  // a fresh process knows the cursor alone
    const Loader resumed(again, {.length = 24, .seed = 77, .weights = {}});
    std::vector<Batch> parts(16);
    parallel_for(
        16, [&](int64_t i) { parts[static_cast<size_t>(i)] = resumed.rows(1000 + 4 * static_cast<uint64_t>(i), 4); });
    std::vector<int32_t> tokens, documents;
    for (const Batch& part : parts) {
      tokens.insert(tokens.end(), part.tokens.begin(), part.tokens.end());
      documents.insert(documents.end(), part.documents.begin(), part.documents.end());
    }
    EXPECT_EQ(tokens, whole.tokens);
    EXPECT_EQ(documents, whole.documents);
  }
  set_thread_count(cores_allowed());
  EXPECT_NE(Loader(dataset_, {.length = 24, .seed = 78, .weights = {}}).rows(1000, 64).tokens, whole.tokens);
}

TEST_F(LoaderTest, ValidationCoversEveryDocumentOnce) {
  const ValidationRows rows(dataset_, 16);
  const Batch batch = rows.rows(0, static_cast<int64_t>(rows.size()));
  std::map<std::pair<int, uint64_t>, std::vector<int>> targets;
  for (const Piece& p : batch.pieces) {
    auto& counts = targets[{p.origin.source, p.origin.line}];
    counts.resize(p.origin.end - p.origin.begin);
    for (int64_t c = p.begin; c < p.end; ++c) {
      const auto at = static_cast<size_t>(p.row * 17 + c);
      if (c > 0 && batch.documents[at] == batch.documents[at - 1]) {
        ++counts[p.offset + static_cast<uint64_t>(c - p.begin)];
      }
    }
  }
  EXPECT_EQ(targets.size(), 13u);
  for (auto& [key, counts] : targets) {
    EXPECT_EQ(counts[0], 0);
    EXPECT_EQ(std::count(counts.begin() + 1, counts.end(), 1), static_cast<int64_t>(counts.size()) - 1);
  }
  EXPECT_EQ(ValidationRows(dataset_, 16, 5).size(), 5u);
}

TEST_F(LoaderTest, DamageIsFound) {
  fs::path shard;
  for (const auto& entry : fs::directory_iterator(dir_.path())) {
    if (entry.path().filename().string().starts_with("train-0")) shard = entry.path();
  }
  const std::string good = read_file(shard);
  std::string bad = good;
  bad[20] ^= 1;
  write_file_atomic(shard, bad);
  EXPECT_THROW(Dataset::open(dir_.path()), Error);
  fs::remove(shard);
  EXPECT_THROW(Dataset::open(dir_.path()), Error);
  write_file_atomic(shard, good);
  EXPECT_NO_THROW(Dataset::open(dir_.path()));
  std::string manifest = read_file(dir_.path() / "manifest.json");
  for (size_t n : {size_t(0), size_t(10), manifest.size() / 2, manifest.size() - 3}) {
    write_file_atomic(dir_.path() / "manifest.json", manifest.substr(0, n));
    EXPECT_THROW(Dataset::open(dir_.path()), Error);
  }
  const size_t name = manifest.find("train-0");
  write_file_atomic(dir_.path() / "manifest.json", manifest.substr(0, name) + "../../etc/" + manifest.substr(name));
  EXPECT_THROW(Dataset::open(dir_.path()), Error);
}

TEST(Loader, IdsOutsideTheVocabularyAreAnError) {
  const TempDir dir;
  test::write_dataset(dir.path(), {{"a", {{0, 5, 40000, 1}}, {}}}, 65536);
  std::string manifest = read_file(dir.path() / "manifest.json");
  manifest.replace(manifest.find("65536"), 5, "30000");
  write_file_atomic(dir.path() / "manifest.json", manifest);
  const Dataset dataset = Dataset::open(dir.path());
  EXPECT_THROW(Loader(dataset, {.length = 4, .seed = 0, .weights = {}}).rows(0, 1), Error);
}

}  // namespace
}  // namespace nuri::data
