#include "data/chats.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/test_support.h"
#include "data/chat_rows.h"
#include "text/tokenizer_train.h"

namespace nuri::data {
namespace {

const Tokenizer& tokenizer() {
  static const Tokenizer t = [] {
    TokenizerTrainOptions options;
    options.vocab_size = 300;
    const auto trained = train_tokenizer(
        [n = 0](std::string& document) mutable { return document = "text of a chat, 누리", n++ < 4; }, options);
    return Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json);
  }();
  return t;
}

class ChatFilesTest : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    write_file_atomic(dir_.path() / name, text);
    return (dir_.path() / name).string();
  }
  Chats read(const ChatFiles& files, const ChatOptions& options = {.length = 200}) {
    return read_chats(files, ChatTemplate(tokenizer()), options);
  }
  /// n chats whose answers have 0 to 59 letters.
  std::string some(int n) {
    std::string text;
    for (int i = 0; i < n; ++i)
      text += fmt::format("{{\"prompt\": \"q{}\", \"completion\": \"{}\"}}\n", i,
                          std::string(static_cast<size_t>(i * 37 % 60), 'a'));
    return write("some.jsonl", text);
  }
  std::string error_of(const std::string& row) {
    try {
      (void)read({.train = {write("bad.jsonl", "{\"prompt\": \"q\", \"completion\": \"a\"}\n\n" + row + "\n")},
                  .held_out = {}});
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  }
  nuri::test::TempDir dir_;
};

TEST_F(ChatFilesTest, TheShapesOfARow) {
  const std::string file =
      write("chats.jsonl",
            R"({"id": 7, "messages": [{"role": "user", "content": "누리는?"}, {"role": "assistant", "content": "b"}]}
{"prompt": "누리는?", "completion": "b"}

{"prompt": [{"role": "user", "content": "누리는?"}], "completion": [{"role": "assistant", "content": "b"}], "source": null}
)");
  const Chats chats = read({.train = {file}, .held_out = {}});
  ASSERT_EQ(chats.train.size(), 3u);
  for (size_t i = 1; i < 3; ++i)
    EXPECT_TRUE(std::equal(chats.train.ids(0).begin(), chats.train.ids(0).end(), chats.train.ids(i).begin(),
                           chats.train.ids(i).end()));
  EXPECT_EQ(chats.train.origin(2).line, 4u);
  EXPECT_EQ(chats.train.origin(2).file, file);
  EXPECT_EQ(chats.train.source_name(0), "chats");
  EXPECT_EQ(chats.train.question(0), "누리는?");
  EXPECT_EQ(chats.train.origin(0).language, Language::korean);  // of the question: answers may be numbers
  EXPECT_EQ(chats.train.counts().rows, 3);
  EXPECT_EQ(chats.held_out.size(), 0u);
  EXPECT_EQ(chats.train.hash(), read({.train = {file}, .held_out = {}}).train.hash());
  EXPECT_NE(chats.train.hash(),
            read({.train = {file}, .held_out = {}}, {.length = 200, .learn_thought = false}).train.hash());
}

TEST_F(ChatFilesTest, KeysOfMessagesAreCountedOnBothSides) {
  const std::string row =
      R"({"tools": [], "messages": [{"role": "user", "content": [{"type": "text", "text": "q"}], "name": "n"}, )"
      R"({"role": "assistant", "content": "a", "reasoning_content": "t", "weight": 1}]})";
  const std::string
      file = write("keys.jsonl", row + "\n" + row + "\n"),
      plain =
          write("plain.jsonl",
                R"({"messages": )"
                R"([{"role": "user", "content": "q"}, {"role": "assistant", "content": "<think>\nt\n</think>\n\na"}]})"
                "\n");
  const Chats chats = read({.train = {plain, file}, .held_out = {file}});
  EXPECT_EQ(chats.train.counts().ignored_keys, (IgnoredKeys{{"name", 2}, {"weight", 2}}));
  EXPECT_EQ(chats.held_out.counts().ignored_keys, (IgnoredKeys{{"name", 2}, {"weight", 2}}));
  EXPECT_TRUE(std::equal(chats.train.ids(0).begin(), chats.train.ids(0).end(), chats.train.ids(1).begin(),
                         chats.train.ids(1).end()));
}

TEST_F(ChatFilesTest, ToolCallsOfARow) {
  const std::string call = R"({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}})";
  const std::string file =
      write("tools.jsonl", R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", )"
                           R"("content": null, "tool_calls": [)" +
                               call +
                               R"(]}, {"role": "tool", "tool_call_id": "c", "content": "x"}, )"
                               R"({"role": "assistant", "content": "a"}]})"
                               "\n");
  const ChatSet chats = read({.train = {file}, .held_out = {}}).train;
  ASSERT_EQ(chats.size(), 2u);
  EXPECT_NE(tokenizer().decode(chats.ids(0)).find("<｜tool▁sep｜>f\n```json\n{}\n```<｜tool▁call▁end｜>"),
            std::string::npos);
  EXPECT_EQ(chats.counts().ignored_keys, (IgnoredKeys{{"tool_call_id", 1}, {"tool_calls.id", 1}}));
}

TEST_F(ChatFilesTest, ErrorsNameFileAndLine) {
  const std::string at = (dir_.path() / "bad.jsonl").string() + ": line 3";
  for (
      const char* row :
      {"{", "[]", "{\"text\": \"x\"}", "{\"prompt\": \"q\"}", "{\"prompt\": 1, \"completion\": \"a\"}",
       "{\"messages\": \"q\"}", "{\"messages\": []}", "{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}]}",
       "{\"messages\": [{\"role\": \"robot\", \"content\": \"q\"}, {\"role\": \"assistant\", \"content\": \"a\"}]}",
       R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}, {"role": "assistant", "content": "a"}]})",
       R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}]})",
       R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "</think>", "reasoning_content": "t"}]})",
       "{\"prompt\": \"q\", \"completion\": \"<think>\"}", "{\"prompt\": \"\xFF\", \"completion\": \"a\"}"})
    EXPECT_NE(error_of(row).find(at), std::string::npos) << row << " -> " << error_of(row);
  EXPECT_THROW(read({.train = {write("text.txt", "x")}, .held_out = {}}), Error);
  fs::create_directories(dir_.path() / "many");
  write("many/a.jsonl", "{\"prompt\": \"q\", \"completion\": \"a\"}\n");
  write("many/b.txt", "x");
  EXPECT_EQ(read({.train = {(dir_.path() / "many").string()}, .held_out = {}}).train.size(), 1u);
  EXPECT_THROW(read({.train = {write("empty.jsonl", "\n")}, .held_out = {}}), Error);
  EXPECT_THROW(read({.train = {(dir_.path() / "absent.jsonl").string()}, .held_out = {}}), Error);
}

TEST_F(ChatFilesTest, LongChatsAreCutOrLeftOut) {
  const std::string file =
      write("long.jsonl", "{\"prompt\": \"q\", \"completion\": \"" + std::string(500, 'b') + "\"}\n{\"prompt\": \"" +
                              std::string(500, 'b') +
                              "\", \"completion\": \"a\"}\n{\"prompt\": \"q\", \"completion\": \"a\"}\n");
  const ChatSet cut = read({.train = {file}, .held_out = {}}, {.length = 40}).train;
  EXPECT_EQ(cut.size(), 2u);
  EXPECT_EQ(cut.ids(0).size(), 41u);
  EXPECT_EQ(cut.counts().cut, 1);
  EXPECT_EQ(cut.counts().left_out, 1);  // nothing of its answer was left
  const ChatSet dropped =
      read({.train = {file}, .held_out = {}}, {.length = 40, .learn_thought = true, .cut = false}).train;
  EXPECT_EQ(dropped.size(), 1u);
  EXPECT_EQ(dropped.counts().left_out, 2);
  EXPECT_EQ(dropped.counts().tokens, static_cast<int64_t>(dropped.ids(0).size()));
}

TEST_F(ChatFilesTest, AQuestionIsHeldOutWithAllItsAnswers) {
  std::string rows;
  for (int i = 0; i < 400; ++i)
    rows += fmt::format("{{\"prompt\": \"q{}\", \"completion\": \"answer {}\"}}\n", i % 200, i);
  const std::string file = write("twice.jsonl", rows);
  const Chats chats = read({.train = {file}, .held_out = {}}, {.length = 200, .held_out_share = 0.25});
  std::set<std::string> train, held_out;
  for (size_t i = 0; i < chats.train.size(); ++i) train.insert(chats.train.question(i));
  for (size_t i = 0; i < chats.held_out.size(); ++i) held_out.insert(chats.held_out.question(i));
  EXPECT_EQ(train.size() + held_out.size(), 200u);
  EXPECT_GT(held_out.size(), 25u);
  EXPECT_LT(held_out.size(), 80u);
  EXPECT_EQ(chats.held_out.size(), 2 * held_out.size());
  // Files of their own: then nothing of the others is held out.
  const Chats apart = read({.train = {file}, .held_out = {some(10)}}, {.length = 200, .held_out_share = 0.25});
  EXPECT_EQ(apart.train.size(), 400u);
  EXPECT_EQ(apart.held_out.size(), 10u);
  EXPECT_EQ(apart.held_out.source_name(apart.held_out.origin(0).source), "some");
}

using Key = std::vector<int32_t>;
std::multiset<Key> chats_of(const Batch& batch) {
  std::multiset<Key> out;
  for (const Piece& p : batch.pieces) {
    const auto row = batch.tokens.begin() + p.row * (batch.length + 1);
    out.insert(Key(row + p.begin, row + p.end));
  }
  return out;
}

TEST_F(ChatFilesTest, AnEpochHoldsEveryChatOnceAndWhole) {
  const Chats chats = read({.train = {some(500)}, .held_out = {}});
  std::multiset<Key> all;
  for (size_t i = 0; i < chats.train.size(); ++i) all.insert(Key(chats.train.ids(i).begin(), chats.train.ids(i).end()));
  ChatRows rows(chats.train, 200, 3, *tokenizer().eos_id());
  const uint64_t one = rows.rows_within(1), two = rows.rows_within(2);
  const Batch first = rows.rows(0, static_cast<int64_t>(one)), second = rows.rows(one, static_cast<int64_t>(two - one));
  EXPECT_EQ(chats_of(first), all);
  EXPECT_EQ(chats_of(second), all);
  EXPECT_NE(first.tokens, second.tokens);
  EXPECT_GT(rows.fill(), 0.95);
  EXPECT_EQ(rows.rows_within(1.5), one + (two - one + 1) / 2);
  for (const Batch* batch : {&first, &second})
    for (size_t i = 0; i < batch->tokens.size(); ++i) {
      const bool in_row = i % 201 > 0;
      // A document number stands for one chat, or for one place of the filling, which is not learned.
      if (in_row && batch->documents[i] != batch->documents[i - 1]) {
        EXPECT_TRUE(batch->tokens[i] == *tokenizer().bos_id() || batch->learned[i] == 0);
      }
    }
}

TEST_F(ChatFilesTest, RowsDependOnNothingButTheirNumber) {
  const Chats chats = read({.train = {some(300)}, .held_out = {}});
  ChatRows whole(chats.train, 120, 9, 1), again(chats.train, 120, 9, 1), other(chats.train, 120, 10, 1);
  const auto n = static_cast<int64_t>(whole.rows_within(3));
  const Batch all = whole.rows(0, n);
  EXPECT_NE(other.rows(0, n).tokens, all.tokens);
  for (int64_t first = n - 7; first >= 0; first -= 5) {  // backwards, across the ends of epochs
    const Batch some = again.rows(static_cast<uint64_t>(first), 7);
    EXPECT_TRUE(std::equal(some.tokens.begin(), some.tokens.end(), all.tokens.begin() + first * 121));
    EXPECT_TRUE(std::equal(some.learned.begin(), some.learned.end(), all.learned.begin() + first * 121));
    EXPECT_EQ(some.pieces.front().row, 0);
  }
}

TEST_F(ChatFilesTest, HeldOutRowsKeepTheOrder) {
  const Chats chats = read({.train = {some(100)}, .held_out = {some(100)}});
  const ChatSet nothing;
  const HeldOutChats all(chats.held_out, 200, 1), few(chats.held_out, 200, 1, 3), none(nothing, 200, 1);
  EXPECT_EQ(few.size(), 3u);
  EXPECT_EQ(none.size(), 0u);
  const Batch batch = all.rows(0, static_cast<int64_t>(all.size()));
  EXPECT_EQ(batch.pieces.size(), 100u);
  EXPECT_EQ(all.source_name(batch.pieces[0].origin.source), "some");
  EXPECT_EQ(few.rows(0, 1).tokens, all.rows(0, 1).tokens);
}

TEST_F(ChatFilesTest, OneChatAsLongAsARow) {
  const Chats chats =
      read({.train = {write("one.jsonl", "{\"prompt\": \"q\", \"completion\": \"" + std::string(99, 'b') + "\"}\n")},
            .held_out = {}},
           {.length = 30});
  ChatRows rows(chats.train, 30, 0, 1);
  EXPECT_EQ(rows.rows_within(1), 1u);
  EXPECT_EQ(rows.rows(5, 2).pieces.size(), 2u);
  EXPECT_EQ(rows.fill(), 1.0);
}

}  // namespace
}  // namespace nuri::data
