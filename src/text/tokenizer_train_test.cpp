#include "text/tokenizer_train.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "base/error.h"
#include "base/test_support.h"
#include "base/threads.h"
#include "text/bpe_train.h"
#include "text/text_test_support.h"

namespace nuri {
namespace {

DocumentSource from(const std::vector<std::string>& documents) {
  return [&documents, i = size_t(0)](std::string& document) mutable {
    if (i == documents.size()) return false;
    document = documents[i++];
    return true;
  };
}

std::vector<std::string> mixed_text() {
  std::vector<std::string> documents;
  std::mt19937_64 random(3);
  const char* words[] = {"누리는", "우주로", "갔다", "the",  "there",    "then", "rocket",
                         "2024",   "😀😁",     "é",    "中文", "가나다라", "\n\n", "!?"};
  for (int d = 0; d < 200; ++d) {
    std::string text;
    for (int w = 0; w < 60; ++w) text += std::string(words[random() % 14]) + (random() % 4 ? " " : "");
    documents.push_back(text);
  }
  return documents;
}

/// Trains by the definition: recount everything for each merge.
std::vector<std::string> learn_slowly(std::map<std::vector<std::string>, int64_t> words, size_t n, int64_t min_count,
                                      std::map<std::string, int32_t> ids) {
  const auto kind = [](const std::string& token) {  // whole characters, a head, or a tail
    if ((static_cast<uint8_t>(token[0]) & 0xC0) == 0x80) return 't';
    return utf8_first_invalid(token) == std::string::npos ? 'w' : 'h';
  };
  std::vector<std::string> learned;
  while (learned.size() < n) {
    std::map<std::pair<std::string, std::string>, int64_t> counts;
    for (const auto& [word, count] : words)
      for (size_t i = 0; i + 1 < word.size(); ++i) counts[{word[i], word[i + 1]}] += count;
    const std::pair<std::string, std::string>* best = nullptr;
    std::tuple<int64_t, int32_t, int32_t> best_key;
    for (const auto& [pair, count] : counts) {
      const char a = kind(pair.first), b = kind(pair.second);
      if (count < min_count || !((a == 'w' && b == 'w') || (a != 'w' && b == 't'))) continue;
      const std::tuple key(count, -ids.at(pair.first), -ids.at(pair.second));
      if (!best || key > best_key) best = &pair, best_key = key;
    }
    if (!best) break;
    const auto [left, right] = *best;
    const std::string token = left + right;
    if (ids.emplace(token, static_cast<int32_t>(ids.size()) + 3).second) learned.push_back(token);
    std::map<std::vector<std::string>, int64_t> next;
    for (const auto& [word, count] : words) {
      std::vector<std::string> merged;
      for (size_t i = 0; i < word.size(); ++i) {
        if (i + 1 < word.size() && word[i] == left && word[i + 1] == right)
          merged.push_back(token), ++i;
        else
          merged.push_back(word[i]);
      }
      next[merged] += count;
    }
    words = std::move(next);
  }
  return learned;
}

TEST(LearnMerges, EqualsTheDefinition) {
  std::mt19937_64 random(11);
  const std::string letters[] = {"a", "b", "é", "가", "각", "😀", "😁"};
  for (int round = 0; round < 20; ++round) {
    PieceCounts pieces;
    std::map<std::vector<std::string>, int64_t> words;
    for (int w = 0; w < 40; ++w) {
      std::string word;
      for (uint64_t i = 0, n = 1 + random() % 9; i < n; ++i) word += letters[random() % (round % 2 ? 7 : 3)];
      const auto count = static_cast<int64_t>(1 + random() % 5);
      pieces.add(word, count);
      std::vector<std::string> bytes;
      for (const char c : word) bytes.emplace_back(1, c);
      words[bytes] += count;
    }
    int32_t byte_ids[256];
    std::map<std::string, int32_t> ids;
    for (int b = 0; b < 256; ++b) ids[std::string(1, static_cast<char>(b))] = byte_ids[b] = b + 3;
    const LearnedMerges fast =
        learn_merges([&](const PieceCallback& f) { pieces.for_each(f); }, byte_ids, 259, 60, 2, {});
    EXPECT_EQ(fast.tokens, learn_slowly(words, 60, 2, ids)) << "round " << round;
  }
}

TEST(TokenizerTrain, GivesAWholeVocabularyOfTheDeepseekFamily) {
  const auto documents = mixed_text();
  TokenizerTrainOptions options;
  options.vocab_size = 400;
  options.extra_special_tokens = {"<｜mine｜>"};
  const TrainedTokenizer trained = train_tokenizer(from(documents), options);
  const Tokenizer t = Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json);
  EXPECT_EQ(t.vocab_size(), 400);
  EXPECT_EQ(trained.report.vocab_size, 400);
  EXPECT_EQ(trained.report.documents, 200);
  EXPECT_EQ(t.bos_id(), 0);
  EXPECT_EQ(t.eos_id(), 1);
  EXPECT_EQ(t.pad_id(), 2);
  EXPECT_EQ(t.token_id("!"), 3);
  EXPECT_EQ(t.token_id("<think>"), 400 - 18);
  EXPECT_EQ(t.token_id("<｜mine｜>"), 399);
  EXPECT_FALSE(t.is_special(*t.token_id("<think>")));
  EXPECT_TRUE(t.is_special(0));
  for (int32_t id = 0; id < t.vocab_size(); ++id) EXPECT_FALSE(t.token_bytes(id).empty()) << id;
  for (const std::string& document : documents) EXPECT_EQ(t.decode(t.encode(document)), document);
  EXPECT_EQ(t.decode(t.encode("\xE1\x84\x82\xE1\x85\xAE\xE1\x84\x85\xE1\x85\xB5")), "누리");  // NFC is the normaliser
  EXPECT_EQ(t.encode("12345").size(), t.encode("123").size() + t.encode("45").size());        // groups of three
}

TEST(TokenizerTrain, NoTokenReachesIntoPartOfACharacter) {
  const auto documents = mixed_text();
  TokenizerTrainOptions options;
  options.vocab_size = 420;
  const TrainedTokenizer trained = train_tokenizer(from(documents), options);
  const Tokenizer t = Tokenizer::from_json(trained.tokenizer_json);
  for (int32_t id = 0; id < t.vocab_size(); ++id) {
    const std::string_view bytes = t.token_bytes(id);
    if (utf8_first_invalid(bytes) == std::string_view::npos) continue;  // whole characters
    int heads = 0;
    for (const char c : bytes) heads += (static_cast<uint8_t>(c) & 0xC0) != 0x80;
    EXPECT_LE(heads, 1) << id;
    EXPECT_LE(bytes.size(), 3u) << id;
    EXPECT_TRUE(heads == 0 || (static_cast<uint8_t>(bytes[0]) & 0xC0) != 0x80) << id;  // it comes first
  }
}

TEST(TokenizerTrain, ThreadsAndOrderDoNotMatter) {
  auto documents = mixed_text();
  TokenizerTrainOptions options;
  options.vocab_size = 380;
  const int before = thread_count();
  std::set<std::string> results;
  for (const int threads : {1, 2, 3, 5}) {
    set_thread_count(threads);
    results.insert(train_tokenizer(from(documents), options).tokenizer_json);
    std::reverse(documents.begin(), documents.end());
    results.insert(train_tokenizer(from(documents), options).tokenizer_json);
  }
  set_thread_count(before);
  EXPECT_EQ(results.size(), 1u);
}

TEST(TokenizerTrain, FillsUpWhereTheTextIsTooSmall) {
  const std::vector<std::string> documents = {"abab abab"};
  TokenizerTrainOptions options;
  options.vocab_size = 4096;
  const TrainedTokenizer trained = train_tokenizer(from(documents), options);
  const Tokenizer t = Tokenizer::from_json(trained.tokenizer_json);
  EXPECT_EQ(t.vocab_size(), 4096);
  EXPECT_GT(trained.report.placeholders, 3000);
  EXPECT_TRUE(t.is_special(*t.token_id("<｜place▁holder▁no▁0｜>")));
  EXPECT_EQ(t.token_id("<｜tool▁sep｜>"), 4095);
  options.vocab_size = 80'000;  // more placeholders than a reader would take of tokens that nothing explains
  const TrainedTokenizer large = train_tokenizer(from(documents), options);
  EXPECT_EQ(Tokenizer::from_json(large.tokenizer_json, large.tokenizer_config_json).vocab_size(), 80'000);
  options.fill_vocab = false;
  EXPECT_LT(Tokenizer::from_json(train_tokenizer(from(documents), options).tokenizer_json).vocab_size(), 300);
  options.pattern = SplitPattern::gpt2;
  options.nfc = false;
  const Tokenizer plain = Tokenizer::from_json(train_tokenizer(from(documents), options).tokenizer_json);
  EXPECT_EQ(plain.decode(plain.encode("e\xCC\x81")), "e\xCC\x81");
}

TEST(TokenizerTrain, BadInput) {
  TokenizerTrainOptions options;
  const std::vector<std::string> none, broken = {"\xFF\xFE", "fine"}, text = {"text"};
  EXPECT_THROW(train_tokenizer(from(none), options), Error);
  options.vocab_size = 300;
  EXPECT_EQ(train_tokenizer(from(broken), options).report.invalid_documents, 1);
  options.vocab_size = 275;
  EXPECT_THROW(train_tokenizer(from(text), options), Error);
  options.vocab_size = 300;
  options.extra_special_tokens = {"<think>"};
  EXPECT_THROW(train_tokenizer(from(text), options), Error);
  options.extra_special_tokens = {};
  EXPECT_THROW(train_tokenizer_to(from(text), options, "/dev/null/x"), Error);
  test::TempDir dir;
  train_tokenizer_to(from(text), options, dir.path() / "a/b");
  EXPECT_EQ(Tokenizer::load(dir.path() / "a/b").eos_id(), 1);
}

TEST(TokenizerTrain, RealText) {
  NURI_SHARED_OR_SKIP(shared);
  auto documents = test::shared_documents(shared, "mini_ko.jsonl");
  for (const char* name : {"mini_en.jsonl", "x_ja.jsonl.zst", "x_th.jsonl.zst"})
    for (auto& text : test::shared_documents(shared, name, 300'000)) documents.push_back(std::move(text));
  TokenizerTrainOptions options;
  options.vocab_size = 4096;
  const TrainedTokenizer trained = train_tokenizer(from(documents), options);
  EXPECT_EQ(trained.report.placeholders, 0);
  const Tokenizer t = Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json);
  size_t bytes = 0, tokens = 0;
  for (const std::string& text : documents) {
    const auto ids = t.encode(text);
    EXPECT_TRUE(t.decode(ids) == t.normalise(text));
    bytes += text.size();
    tokens += ids.size();
  }
  EXPECT_GT(static_cast<double>(bytes) / static_cast<double>(tokens), 3.0);
}

}  // namespace
}  // namespace nuri
