#include "text/same_tokens.h"

#include <gtest/gtest.h>

#include "text/tokenizer_train.h"

namespace nuri {
namespace {

Tokenizer trained(const std::string& text, int32_t vocab) {
  TokenizerTrainOptions options;
  options.vocab_size = vocab;
  const auto t =
      train_tokenizer([&, n = 0](std::string& document) mutable { return document = text, n++ < 4; }, options);
  return Tokenizer::from_json(t.tokenizer_json, t.tokenizer_config_json);
}

TEST(SameTokens, AreFoundByTheirBytes) {
  const Tokenizer a = trained("some words, 누리 누리", 300), b = trained("other things to say, 누리", 310);
  EXPECT_TRUE(same_tokens(a, a).empty());
  const std::vector<int32_t> same = same_tokens(b, a);
  ASSERT_EQ(same.size(), static_cast<size_t>(b.vocab_size()));
  int64_t found = 0;
  for (int32_t id = 0; id < b.vocab_size(); ++id) {
    const int32_t of_a = same[static_cast<size_t>(id)];
    if (of_a < 0) continue;
    ++found;
    EXPECT_EQ(a.token_bytes(of_a), b.token_bytes(id));
    EXPECT_EQ(a.is_added(of_a), b.is_added(id));
  }
  EXPECT_GE(found, 256 + 2);  // the bytes, begin and end at least
  EXPECT_LT(found, b.vocab_size());
}

}  // namespace
}  // namespace nuri
