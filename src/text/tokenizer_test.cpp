#include "text/tokenizer.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <random>

#include "base/test_support.h"
#include "text/stream_decoder.h"
#include "text/text_test_support.h"
#include "text/utf8.h"

namespace nuri {
namespace {

using nlohmann::json;

struct Published {
  const char* name;    // of the expected ids
  const char* folder;  // of the tokenizer
};

class PublishedTokenizer : public testing::TestWithParam<Published> {};

std::string joined_stream(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  StreamDecoder stream(tokenizer);
  std::string all;
  for (const int32_t id : ids) {
    const std::string part = stream.push(id);
    EXPECT_EQ(utf8_first_invalid(part), std::string::npos);
    all += part;
  }
  return all + stream.flush();
}

std::string sha256_of_u32le(const std::vector<int32_t>& ids) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(ids.data()), ids.size() * sizeof(int32_t), digest);
  std::string hex;
  for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

TEST_P(PublishedTokenizer, GivesTheExpectedIds) {
  NURI_SHARED_OR_SKIP(shared);
  const Tokenizer tokenizer = test::shared_tokenizer(shared, GetParam().folder);
  const auto strings = test::read_jsonl(shared / "data/tokenizers/strings.jsonl");
  const auto expected =
      test::read_jsonl(shared / "data/tokenizers/expected" / (std::string(GetParam().name) + ".jsonl"));
  ASSERT_EQ(strings.size(), expected.size());
  for (size_t i = 0; i < strings.size(); ++i) {
    const std::string text = strings[i].at("text");
    const auto want = expected[i].at("ids").get<std::vector<int32_t>>();
    const auto ids = tokenizer.encode(text);
    EXPECT_EQ(ids, want) << "string " << i << ": " << text;
    const std::string decoded = expected[i].value("decoded", text);
    EXPECT_EQ(tokenizer.decode(ids), decoded) << "string " << i;
    EXPECT_EQ(tokenizer.normalise(text), decoded) << "string " << i;
    EXPECT_EQ(joined_stream(tokenizer, ids), decoded) << "string " << i;
  }
  const std::string text = read_file(shared / "data/tokenizers/long_ko.txt");
  const json all = json::parse(read_file(shared / "data/tokenizers/expected/long.json"));
  const json& want = all.at(GetParam().name).at("long_ko.txt");
  const auto ids = tokenizer.encode(text);
  EXPECT_EQ(ids.size(), want.at("n_ids").get<size_t>());
  EXPECT_EQ(sha256_of_u32le(ids), want.at("sha256_u32le").get<std::string>());
  EXPECT_EQ(tokenizer.decode(ids), tokenizer.normalise(text));
}

INSTANTIATE_TEST_SUITE_P(Text, PublishedTokenizer,
                         testing::Values(Published{"gpt2", "gpt2"}, Published{"deepseek-v3", "rebuilt/deepseek-v3"},
                                         Published{"qwen2.5", "rebuilt/qwen2.5"}, Published{"llama3", "rebuilt/llama3"},
                                         Published{"gpt-neox-20b", "gpt-neox-20b"}, Published{"phi-2", "phi-2"},
                                         Published{"dolma2", "dolma2"}, Published{"minimind", "minimind"},
                                         Published{"roberta-base", "roberta-base"}),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           for (char& c : name)
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           return name;
                         });

}  // namespace
}  // namespace nuri
