#include "text/piece_counter.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/error.h"
#include "base/test_support.h"
#include "base/threads.h"

namespace nuri {
namespace {

using Counts = std::map<std::string, int64_t>;

Counts counts_of(const ForEachPiece& pieces) {
  Counts out;
  pieces([&](std::string_view piece, int64_t count) { EXPECT_TRUE(out.emplace(piece, count).second) << piece; });
  return out;
}

TEST(PieceCounts, CountsAsAMapDoes) {
  std::mt19937_64 random(3);
  PieceCounts counts;
  Counts wanted;
  for (int i = 0; i < 60'000; ++i) {
    std::string piece = std::to_string(random() % 9'000);
    if (i % 20'000 == 7) piece.assign((size_t(1) << 20) + static_cast<size_t>(i), 'x');  // longer than a chunk
    if (i % 5'000 == 3) piece.assign(300'000, static_cast<char>('a' + i % 7));
    if (i == 11) piece.clear();
    counts.add(piece, 1 + i % 3);
    wanted[piece] += 1 + i % 3;
  }
  PieceCounts sum;
  sum.add("7", 5);
  sum.add_all(counts);
  wanted["7"] += 5;
  EXPECT_EQ(sum.size(), wanted.size());
  EXPECT_EQ(counts_of([&](const PieceCallback& f) { sum.for_each(f); }), wanted);
  EXPECT_GE(sum.bytes(), 3u << 20);
}

TEST(PieceRuns, MergedAsAMapDoes) {
  const test::TempDir dir;
  std::mt19937_64 random(4);
  PieceRuns runs(dir.path());
  Counts wanted;
  for (int run = 0; run < 70; ++run) {  // merged once on the way
    PieceCounts counts;
    for (int i = 0; i < 40; ++i) {
      const std::string piece(random() % 4, static_cast<char>('a' + random() % 20));
      counts.add(piece, 2);
      wanted[piece] += 2;
    }
    runs.add(counts);
  }
  for (int time = 0; time < 2; ++time) EXPECT_EQ(counts_of([&](const PieceCallback& f) { runs.for_each(f); }), wanted);
  EXPECT_TRUE(fs::is_empty(dir.path()));
}

/// Documents of words: n_rare that occur once, and the same 300 in each document.
std::vector<std::string> documents(int n_rare) {
  std::vector<std::string> out;
  for (int i = 0; i < n_rare;) {
    std::string text;
    for (int k = 0; k < 100 && i < n_rare; ++k, ++i) {
      std::string word = " rare";
      for (int left = i; left > 0; left /= 26) word += static_cast<char>('a' + left % 26);
      text += word;
    }
    for (int k = 0; k < 300; ++k) {
      text += " ";
      text += static_cast<char>('a' + k % 20);
      text.append(static_cast<size_t>(1 + k / 20), 'o');
    }
    out.push_back(text);
  }
  return out;
}

TrainedTokenizer train(const std::vector<std::string>& texts, uint64_t memory_bytes, const fs::path& scratch,
                       const std::string& extra = {}) {
  TokenizerTrainOptions options;
  options.vocab_size = 700;
  options.memory_bytes = memory_bytes;
  options.scratch = scratch;
  size_t at = 0;
  return train_tokenizer(
      [&](std::string& text) {
        if (at > texts.size()) return false;
        text = at < texts.size() ? texts[at] : extra;
        ++at;
        return true;
      },
      options);
}

TEST(TokenizerTrain, CountsInScratchFilesGiveTheSame) {
  const test::TempDir dir;
  const int threads = thread_count();
  const auto texts = documents(60'000);
  const TrainedTokenizer in_memory = train(texts, kTrainMemoryBytes, dir.path());
  set_thread_count(5);  // so that each table is small
  const TrainedTokenizer spilled = train(texts, uint64_t(16) << 20, dir.path());
  EXPECT_THROW(train(texts, uint64_t(16) << 20, dir.path() / "absent"), Error);  // it needs the files
  set_thread_count(threads);
  EXPECT_EQ(spilled.tokenizer_json, in_memory.tokenizer_json);
  EXPECT_EQ(spilled.report.pieces, in_memory.report.pieces);
  EXPECT_EQ(spilled.report.pieces_left_out, 0);
  EXPECT_TRUE(fs::is_empty(dir.path()));
}

TEST(TokenizerTrain, TheRarestPiecesGoWhereMemoryEnds) {
  const test::TempDir dir;
  const int threads = thread_count();
  const auto texts = documents(200'000);
  const std::string endless(3 << 20, 'e');  // the longest piece goes first, so the frequent ones stay
  for (const int n : {1, 3}) {
    set_thread_count(n);
    const TrainedTokenizer t = train(texts, uint64_t(16) << 20, dir.path(), endless);
    EXPECT_EQ(t.report.least_count, 2) << n;
    EXPECT_GE(t.report.pieces_left_out, 200'001) << n;
    EXPECT_NE(t.tokenizer_json.find("\"Ġaoo\""), std::string::npos) << n;
    // What was left out has no say, frequent as its beginning is.
    EXPECT_EQ(t.tokenizer_json.find("rare"), std::string::npos) << n;
  }
  set_thread_count(threads);
  EXPECT_THROW(train(texts, 1000, dir.path()), Error);
}

}  // namespace
}  // namespace nuri
