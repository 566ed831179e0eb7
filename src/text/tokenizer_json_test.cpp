// Small tokenizer files: what they mean, and what is refused with which words.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/test_support.h"
#include "base/threads.h"
#include "text/stream_decoder.h"
#include "text/text_test_support.h"
#include "text/tokenizer.h"

namespace nuri {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

json added(int id, const char* content, json more = json::object()) {
  json token = {{"id", id}, {"content", content}, {"special", true}};
  token.update(more);
  return token;
}

Tokenizer with_added(const std::vector<json>& tokens) {
  return Tokenizer::from_json(test::small_tokenizer({}, [&](json& root) { root["added_tokens"] = tokens; }).dump());
}

TEST(TokenizerJson, MergesAsStringsOrPairs) {
  const auto strings = test::small_tokenizer({"a b", "ab c"}, [](json&) {});
  const auto pairs = test::small_tokenizer({"a b", "ab c"}, [](json& root) {
    root["model"]["merges"] = json::array({json::array({"a", "b"}), json::array({"ab", "c"})});
  });
  const Tokenizer one = Tokenizer::from_json(strings.dump()), two = Tokenizer::from_json(pairs.dump());
  EXPECT_EQ(one.encode("abc abd"), two.encode("abc abd"));
  EXPECT_EQ(one.encode("abc"), Ids{257});
  EXPECT_EQ(one.vocab_size(), 258);
  EXPECT_EQ(one.token_id("abc"), 257);
  EXPECT_EQ(one.token_bytes(257), "abc");
  EXPECT_FALSE(one.token_id("nothing"));
  EXPECT_TRUE(one.token_bytes(-1).empty());
  EXPECT_TRUE(one.token_bytes(258).empty());
}

TEST(TokenizerJson, AddedTokensAreCutOutFirstLongestFirst) {
  const Tokenizer t = with_added({added(256, "<x>"), added(257, "<x><y>"), added(258, "<<<")});
  EXPECT_EQ(t.encode("<x><y><x>"), (Ids{257, 256}));
  EXPECT_EQ(t.encode("<<<<x>x"), (Ids{258, 256, t.encode("x")[0]}));
  Ids plain;
  t.encode_plain_to("<x>", plain);
  EXPECT_EQ(plain.size(), 3u);
  EXPECT_EQ(t.decode(plain), "<x>");
  EXPECT_EQ(t.decode(Ids{257, plain[0]}, true), "<");
  EXPECT_TRUE(t.is_special(256));
  EXPECT_TRUE(t.is_added(256));
  EXPECT_FALSE(t.is_added(0));
}

TEST(TokenizerJson, AddedTokenFlags) {
  const Tokenizer word = with_added({added(256, "cat", {{"single_word", true}})});
  EXPECT_EQ(word.encode("cat"), Ids{256});
  EXPECT_EQ(word.encode("(cat)").size(), 3u);
  EXPECT_EQ(word.encode("cats").size(), 4u);
  EXPECT_EQ(word.encode("tomcat").size(), 6u);
  const Tokenizer strip = with_added({added(256, "<m>", {{"lstrip", true}, {"rstrip", true}})});
  EXPECT_EQ(strip.encode("a \t<m>  \n b"), (Ids{strip.encode("a")[0], 256, strip.encode("b")[0]}));
  EXPECT_EQ(strip.encode(" <m> <m> "), (Ids{256, 256}));
}

TEST(TokenizerJson, NormalizedAddedTokensMatchNormalisedText) {
  const auto make = [](bool normalized) {
    return Tokenizer::from_json(
        test::small_tokenizer({}, [&](json& root) {
          root["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array({{{"type", "NFC"}}})}};
          root["added_tokens"] = json::array({added(256, "éé", {{"normalized", normalized}})});
        }).dump());
  };
  EXPECT_EQ(make(true).encode("e\xCC\x81é"), Ids{256});
  EXPECT_EQ(make(false).encode("e\xCC\x81é").size(), 4u);
  EXPECT_EQ(make(false).encode("éé"), Ids{256});
  EXPECT_EQ(make(false).decode(Ids{256}), "éé");
}

TEST(TokenizerJson, DigitsAndPrefixSpace) {
  const Tokenizer t = Tokenizer::from_json(
      test::small_tokenizer({"1 2", "Ġ a"}, [](json& root) {
        root["pre_tokenizer"] = {{"type", "Sequence"},
                                 {"pretokenizers",
                                  {{{"type", "Digits"}, {"individual_digits", true}},
                                   {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"use_regex", true}}}}};
      }).dump());
  EXPECT_EQ(t.decode(t.encode("a12")), " a 1 2");  // every piece gets the space
  EXPECT_EQ(t.encode("a")[0], 257);
}

TEST(TokenizerJson, IgnoreMergesTakesWholePieces) {
  const auto make = [](bool ignore) {
    return Tokenizer::from_json(test::small_tokenizer({"a b"}, [&](json& root) {
                                  root["model"]["vocab"]["abcd"] = 300;
                                  root["model"]["ignore_merges"] = ignore;
                                }).dump());
  };
  EXPECT_EQ(make(true).encode("abcd"), Ids{300});
  EXPECT_EQ(make(false).encode("abcd").size(), 3u);
  EXPECT_EQ(make(true).vocab_size(), 301);
  EXPECT_TRUE(make(true).token_bytes(299).empty());
}

TEST(TokenizerJson, ConfigNamesSpecialTokensAndTemplate) {
  const std::string file = test::small_tokenizer({}, [](json& root) {
                             root["added_tokens"] = json::array({added(256, "<s>"), added(257, "</s>")});
                           }).dump();
  const Tokenizer t = Tokenizer::from_json(
      file, R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": null, "chat_template": "{{ x }}"})");
  EXPECT_EQ(t.bos_id(), 256);
  EXPECT_EQ(t.eos_id(), 257);
  EXPECT_FALSE(t.pad_id());
  EXPECT_EQ(t.chat_template(), "{{ x }}");
  const Tokenizer named = Tokenizer::from_json(
      file, R"({"chat_template": [{"name": "tool_use", "template": "a"}, {"name": "default", "template": "b"}]})");
  EXPECT_EQ(named.chat_template(), "b");
  test::TempDir dir;
  write_file_atomic(dir.path() / "tokenizer.json", file);
  write_file_atomic(dir.path() / "chat_template.jinja", "jinja");
  EXPECT_EQ(Tokenizer::load(dir.path()).chat_template(), "jinja");
  EXPECT_EQ(Tokenizer::load(dir.path() / "tokenizer.json").vocab_size(), 258);
  EXPECT_THROW(Tokenizer::load(dir.path() / "absent"), Error);
}

TEST(TokenizerJson, ManyThreadsAtOnce) {
  const Tokenizer t = Tokenizer::from_json(test::small_tokenizer({"a b", "ab c", "c a"}, [](json&) {}).dump());
  const auto text = [](int64_t i) {
    std::string out;
    for (int64_t n = 0; n < 200; ++n) out += "abcabcab"[(i * 31 + n * n) % 8] + std::string(n % 7 ? "" : " ");
    return out;
  };
  std::vector<Ids> ids(64);
  parallel_for(64, [&](int64_t i) { ids[static_cast<size_t>(i)] = t.encode(text(i)); });
  for (int64_t i = 0; i < 64; ++i) {
    EXPECT_EQ(ids[static_cast<size_t>(i)], t.encode(text(i)));
    EXPECT_EQ(t.decode(ids[static_cast<size_t>(i)]), text(i));
  }
}

TEST(TokenizerJson, TextThatIsNotUtf8IsAnError) {
  const Tokenizer t = with_added({});
  EXPECT_THROW(t.encode("abc\xFF"), Error);
  EXPECT_THROW(t.decode(Ids{-1}), Error);
  EXPECT_THROW(t.decode(Ids{256}), Error);
}

TEST(StreamDecoder, NeverBreaksACharacter) {
  const Tokenizer t = with_added({added(256, "<end>")});
  const std::string text = "한글 😀 é\xCC\x81 plain";
  const Ids ids = t.encode(text);  // one byte each
  StreamDecoder stream(t);
  std::string all;
  for (const int32_t id : ids) {
    const std::string part = stream.push(id);
    EXPECT_EQ(utf8_first_invalid(part), std::string::npos);
    all += part;
  }
  EXPECT_EQ(all + stream.flush(), text);
  // Every cut of every damage: the same as decoding at once.
  for (const std::string bytes :
       {"\xEA\xB0", "\xEA\xB0\x80\x80", "\xF0\x9F", "\xC3\xC3\xA9", "\x80\x80", "a\xF0\x9F\x98z"}) {
    Ids broken;
    for (const char byte : bytes) broken.push_back(*t.token_id(spell_bytes({&byte, 1})));
    broken.push_back(256);
    StreamDecoder decoder(t);
    std::string joined;
    for (const int32_t id : broken) joined += decoder.push(id);
    EXPECT_EQ(joined + decoder.flush(), t.decode(broken));
  }
  StreamDecoder hiding(t, true);
  EXPECT_EQ(hiding.push(256), "");
  EXPECT_THROW(hiding.push(400), Error);
}

struct BadFile {
  const char* what;
  void (*edit)(json&);
  const char* says;
};

TEST(TokenizerJson, RefusesOtherKindsWithTheReason) {
  const BadFile files[] = {
      {"unigram", [](json& r) { r["model"]["type"] = "Unigram"; }, "Unigram"},
      {"byte fallback", [](json& r) { r["model"]["byte_fallback"] = true; }, "byte_fallback"},
      {"dropout", [](json& r) { r["model"]["dropout"] = 0.1; }, "dropout"},
      {"suffix", [](json& r) { r["model"]["end_of_word_suffix"] = "</w>"; }, "end_of_word_suffix"},
      {"lowercase",
       [](json& r) {
         r["normalizer"] = {{"type", "Lowercase"}};
       },
       "Lowercase"},
      {"metaspace",
       [](json& r) {
         r["pre_tokenizer"] = {{"type", "Metaspace"}};
       },
       "Metaspace"},
      {"no splitter", [](json& r) { r["pre_tokenizer"] = nullptr; }, "pre_tokenizer"},
      {"no byte level",
       [](json& r) {
         r["pre_tokenizer"] = {{"type", "Digits"}};
       },
       "ByteLevel"},
      {"no decoder", [](json& r) { r.erase("decoder"); }, "decoder"},
      {"no model", [](json& r) { r.erase("model"); }, "model"},
      {"model is a list", [](json& r) { r["model"] = json::array(); }, "model"},
      {"same id twice", [](json& r) { r["model"]["vocab"]["zz"] = 5; }, "two tokens"},
      {"id too high", [](json& r) { r["model"]["vocab"]["zz"] = 4000000000u; }, "allowed are 0 to"},
      {"id negative", [](json& r) { r["model"]["vocab"]["zz"] = -1; }, "allowed are 0 to"},
      {"id not a number", [](json& r) { r["model"]["vocab"]["zz"] = "5"; }, "an id is needed"},
      {"byte missing", [](json& r) { r["model"]["vocab"].erase("a"); }, "byte 0x61"},
      {"merge without result", [](json& r) { r["model"]["merges"] = json::array({"a b"}); }, "not in the vocabulary"},
      {"merge of three", [](json& r) { r["model"]["merges"] = json::array({"a b c"}); }, "one blank"},
      {"merge of a number", [](json& r) { r["model"]["merges"] = json::array({7}); }, "pair of strings"},
      {"merge with an empty part", [](json& r) { r["model"]["merges"] = json::array({" a"}); }, "empty part"},
      {"added id taken", [](json& r) { r["added_tokens"] = json::array({added(3, "<x>")}); }, "two tokens"},
      {"added twice",
       [](json& r) {
         r["added_tokens"] = json::array({added(256, "<x>"), added(256, "<x>")});
       },
       "added twice"},
      {"added with another id", [](json& r) { r["added_tokens"] = json::array({added(256, "a")}); }, "has id"},
      {"added and a byte", [](json& r) { r["added_tokens"] = json::array({added(165, "é")}); }, "stands for"},
      {"added and empty", [](json& r) { r["added_tokens"] = json::array({added(256, "")}); }, "content"},
      {"bad pattern",
       [](json& r) {
         r["pre_tokenizer"] = {{"type", "Sequence"},
                               {"pretokenizers",
                                {{{"type", "Split"}, {"pattern", {{"Regex", "("}}}, {"behavior", "Isolated"}},
                                 {{"type", "ByteLevel"}, {"add_prefix_space", false}}}}};
       },
       "does not compile"},
  };
  for (const BadFile& file : files) {
    const std::string text = test::small_tokenizer({}, file.edit).dump();
    try {
      Tokenizer::from_json(text, {}, "bad.json");
      ADD_FAILURE() << file.what << " was taken";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("bad.json"), std::string::npos) << file.what << ": " << error.what();
      EXPECT_NE(std::string(error.what()).find(file.says), std::string::npos) << file.what << ": " << error.what();
    }
  }
  for (const std::string text : {"", "{", "[]", "null", "{\"model\": {}}", "\xFF"})
    EXPECT_THROW(Tokenizer::from_json(text), Error) << text;
}

TEST(TokenizerJson, ForeignFamiliesAreRefused) {
  NURI_SHARED_OR_SKIP(shared);
  for (const char* name : {"t5-small", "phi-3-mini", "bora-ko"})
    EXPECT_THROW(test::shared_tokenizer(shared, name), Error);
}

}  // namespace
}  // namespace nuri
