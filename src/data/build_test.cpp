#include "data/build.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "base/test_support.h"
#include "base/threads.h"
#include "data/dataset.h"
#include "data/facts.h"
#include "data/show.h"
#include "data/token_bytes.h"
#include "text/bpe.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer.h"

namespace nuri::data {
namespace {

using nuri::test::TempDir;

void write_plain(const fs::path& path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// A tokenizer of single bytes: ids 0 to 255, begin 256, end 257, a marker 258.
void write_byte_tokenizer(const fs::path& dir) {
  OrderedJson vocab = OrderedJson::object(), added = OrderedJson::array();
  for (int b = 0; b < 256; ++b) vocab[spell_bytes(std::string(1, static_cast<char>(b)))] = b;
  for (const auto& [id, text] : {std::pair{256, "<begin>"}, {257, "<end>"}, {258, "<｜User｜>"}}) {
    added.push_back({{"id", id},
                     {"content", text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  const OrderedJson byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  const OrderedJson json = {{"version", "1.0"},
                            {"truncation", nullptr},
                            {"padding", nullptr},
                            {"added_tokens", added},
                            {"normalizer", {{"type", "NFC"}}},
                            {"pre_tokenizer", byte_level},
                            {"post_processor", nullptr},
                            {"decoder", byte_level},
                            {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", OrderedJson::array()}}}};
  write_plain(dir / "tokenizer.json", json.dump());
  write_plain(dir / "tokenizer_config.json", R"({"bos_token": "<begin>", "eos_token": "<end>"})");
}

class BuildTest : public testing::Test {
 protected:
  void SetUp() override {
    write_byte_tokenizer(dir_.path() / "tokenizer");
    options_.tokenizer = dir_.path() / "tokenizer";
    options_.out = dir_.path() / "out";
  }
  fs::path in(const std::string& name) const { return dir_.path() / "in" / name; }
  void add_source(const std::string& properties = {}, const std::string& path = {}) {
    options_.sources.push_back(parse_source((dir_.path() / "in" / path).string() + properties));
  }
  /// All texts of a split by "file:line", decoded out of the shards.
  std::map<std::string, std::string> texts(Split split) const {
    const Dataset data = Dataset::open(options_.out);
    const Tokenizer tokenizer = Tokenizer::load(data.tokenizer_dir());
    std::map<std::string, std::string> out;
    for (int s = 0; s < data.n_sources(); ++s) {
      const TokenStream& stream = data.stream(split, s);
      for (uint64_t d = 0; d < stream.n_documents(); ++d) {
        const Origin o = stream.document(d);
        std::vector<int32_t> ids(o.end - o.begin);
        stream.copy(o.begin, ids);
        EXPECT_EQ(ids.front(), 256);
        EXPECT_EQ(ids.back(), 257);
        const std::string text = tokenizer.decode(std::span(ids).subspan(1, ids.size() - 2));
        out[fs::path(o.file).filename().string() + ":" + std::to_string(o.line)] = text;
        if (text.find("<｜User｜>") == std::string::npos) {
          EXPECT_EQ(o.text_bytes, text.size());
        }
      }
    }
    return out;
  }
  std::map<std::string, std::string> files_of(const fs::path& dir) const {
    std::map<std::string, std::string> out;
    for (const auto& e : fs::recursive_directory_iterator(dir)) {
      if (e.is_regular_file()) out[e.path().lexically_relative(dir).string()] = read_file(e.path());
    }
    return out;
  }
  TempDir dir_;
  BuildOptions options_;
};

TEST_F(BuildTest, EveryFormOfFile) {
  write_plain(in("a.txt"), "\xEF\xBB\xBFplain text\r\nsecond line\n");
  write_plain(in("b.md"),
              "# \xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB\xE1\x84\x80\xE1\x85\xB3\xE1\x86\xAF\n");  // 한글 in jamo
  // "안녕하세요. 한국어 문장입니다." in CP949, several times over so that detection has something to see.
  std::string cp949;
  for (int i = 0; i < 5; ++i) {
    cp949 +=
        "\xBE\xC8\xB3\xE7\xC7\xCF\xBC\xBC\xBF\xE4. \xC7\xD1\xB1\xB9\xBE\xEE "
        "\xB9\xAE\xC0\xE5\xC0\xD4\xB4\xCF\xB4\xD9.\n";
  }
  write_plain(in("c.txt"), cp949);
  std::string utf16 = "\xFF\xFE";
  for (const char c : std::string("{\"text\": \"sixteen\"}\n{\"text\": \"bits\"}\n")) utf16 += {c, '\0'};
  write_plain(in("d.jsonl"), utf16);
  write_plain(in("e.html"), "<html><head><title>x</title></head><body><p>page &amp; text</p></body></html>");
  options_.validation = 0;
  add_source();
  const Manifest m = build_dataset(options_);
  const auto found = texts(Split::train);
  EXPECT_EQ(found.at("a.txt:1"), "plain text\nsecond line");
  EXPECT_EQ(found.at("b.md:1"), "# 한글");
  EXPECT_EQ(found.at("c.txt:1").substr(0, 47), "안녕하세요. 한국어 문장입니다.\n안");
  EXPECT_EQ(found.at("d.jsonl:1"), "sixteen");
  EXPECT_EQ(found.at("d.jsonl:2"), "bits");
  EXPECT_EQ(found.at("e.html:1"), "page & text");
  EXPECT_EQ(found.size(), 6u);
  EXPECT_EQ(m.sources[0].files, 5);
  int64_t files = 0;
  for (const auto& [name, count] : m.sources[0].encodings) files += count;
  EXPECT_EQ(files, 5);
  EXPECT_EQ(m.sources[0].encodings.size(), 3u);
}

TEST_F(BuildTest, BadRowsAreCountedReportedAndSetAside) {
  write_plain(in("rows.jsonl"),
              "{\"text\": \"good one\"}\n{\"text\": 5}\n\n{\"body\": \"x\"}\nno json\n{\"text\": \"bad "
              "\xff\"}\n{\"text\": \"good two\"}\n{\"text\": \"\"}");
  write_plain(in("binary.txt"), std::string("\x89PNG\r\n\x1a\n\xff\xfe\xfd\xfc", 12) + std::string(100, '\xC0'));
  options_.validation = 0;
  add_source();
  const Manifest m = build_dataset(options_);
  EXPECT_EQ(m.sources[0].rejected, 5);
  EXPECT_EQ(m.sources[0].empty, 1);
  EXPECT_EQ(m.sources[0].documents_read, 8);
  EXPECT_EQ(texts(Split::train),
            (std::map<std::string, std::string>{{"rows.jsonl:1", "good one"}, {"rows.jsonl:7", "good two"}}));
  std::set<std::string> places;
  std::istringstream rejected(read_file(options_.out / "rejected.jsonl"));
  for (std::string line; std::getline(rejected, line);) {
    const Json row = parse_json(line, "rejected.jsonl");
    places.insert(fs::path(row.at("file").get<std::string>()).filename().string() + ":" +
                  std::to_string(row.at("line").get<int>()));
    EXPECT_FALSE(row.at("reason").get<std::string>().empty());
    if (row.at("line") == 5) {
      EXPECT_EQ(row.at("row"), "no json");
    }
    if (row.at("line") == 6) {
      EXPECT_EQ(row.at("row_hex"), "7b2274657874223a202262616420ff227d");
    }
  }
  EXPECT_EQ(places,
            (std::set<std::string>{"rows.jsonl:2", "rows.jsonl:4", "rows.jsonl:5", "rows.jsonl:6", "binary.txt:1"}));
}

TEST_F(BuildTest, DuplicatesAndRepeatedLines) {
  const std::string line(70, 'x');
  write_plain(in("a.txt"), "one\n" + line + "\n");
  write_plain(in("b.txt"), "one  \r\n" + line);  // the same after tidying
  write_plain(in("c.txt"), "three\n" + line + "\nend");
  write_plain(in("d.txt"), line);  // nothing left of it
  options_.validation = 0;
  add_source();
  const Manifest m = build_dataset(options_);
  EXPECT_EQ(m.sources[0].duplicates, 1);
  EXPECT_EQ(m.sources[0].repeated_lines, 2);
  EXPECT_EQ(m.sources[0].empty, 1);
  EXPECT_EQ(texts(Split::train),
            (std::map<std::string, std::string>{{"a.txt:1", "one\n" + line}, {"c.txt:1", "three\nend"}}));
}

TEST_F(BuildTest, LanguagesAndLineFilter) {
  write_plain(in("a.jsonl"),
              "{\"text\": \"한국어 문장입니다.\\nThis line was never translated.\"}\n{\"text\": \"English only.\"}\n");
  options_.validation = 0;
  add_source("::name=ko,language=ko,hangul_lines=0.2");
  const Manifest m = build_dataset(options_);
  EXPECT_EQ(texts(Split::train), (std::map<std::string, std::string>{{"a.jsonl:1", "한국어 문장입니다."}}));
  EXPECT_EQ(m.sources[0].empty, 1);  // no Hangul line in the second row
  EXPECT_EQ(m.total(Split::train, Language::korean).documents, 1);
  EXPECT_EQ(m.total(Split::train, Language::korean).text_bytes, 26);
}

std::string rows(int begin, int end) {
  std::string out;
  for (int i = begin; i < end; ++i) out += "{\"text\": \"document number " + std::to_string(i * 7919) + "\"}\n";
  return out;
}

TEST_F(BuildTest, SplitFollowsTheDocumentAlone) {
  options_.validation = 0.1;
  write_plain(in("a.jsonl"), rows(0, 3000));
  add_source();
  build_dataset(options_);
  const auto first = texts(Split::validation);
  EXPECT_NEAR(static_cast<double>(first.size()), 300, 60);  // 3.6 standard deviations
  write_plain(in("0.jsonl"), rows(5000, 6000));             // before the others
  options_.out = dir_.path() / "more";
  build_dataset(options_);
  const auto more = texts(Split::validation);
  for (const auto& [where, text] : first) EXPECT_EQ(more.at(where), text);
  for (const auto& [where, text] : more) EXPECT_TRUE(first.count(where) || where.starts_with("0.jsonl")) << where;
  options_.out = dir_.path() / "seed";
  options_.split_seed = 1;
  build_dataset(options_);
  EXPECT_NE(texts(Split::validation), more);
}

TEST_F(BuildTest, ASmallCorpusStillHoldsOneDocumentOut) {
  options_.validation = 0.0001;
  write_plain(in("a.jsonl"), rows(0, 20));
  add_source();
  const Manifest m = build_dataset(options_);
  EXPECT_EQ(m.total(Split::validation).documents, 1);
  EXPECT_EQ(m.total(Split::train).documents, 19);
  EXPECT_TRUE(m.smallest_validation);
}

TEST_F(BuildTest, ThreadsDoNotShow) {
  write_plain(in("bad.jsonl"), "x\ny\n" + rows(0, 500));
  write_fact_rows(in("facts.jsonl"), 1, 3000);
  add_source("::name=all,markers=true");
  options_.shard_tokens = 20000;
  std::map<std::string, std::string> first;
  for (int threads : {1, 2, 3, 5}) {
    set_thread_count(threads);
    options_.out = dir_.path() / std::to_string(threads);
    build_dataset(options_);
    const auto files = files_of(options_.out);
    if (first.empty()) first = files;
    EXPECT_EQ(files, first) << threads;
  }
  set_thread_count(cores_allowed());
  EXPECT_GT(Dataset::open(options_.out).manifest().shards.size(), 5u);
}

TEST_F(BuildTest, ChatRowsKeepTheirRepeatedLines) {
  write_plain(in("chat.jsonl"), "{\"text\": \"q1\\n</think>\\n1\"}\n{\"text\": \"q2\\n</think>\\n1\"}\n");
  options_.validation = 0;
  options_.repeated_line_characters = 1;
  add_source("::markers=true");
  EXPECT_EQ(build_dataset(options_).sources[0].repeated_lines, 0);
  EXPECT_EQ(texts(Split::train).at("chat.jsonl:2"), "q2\n</think>\n1");
}

TEST_F(BuildTest, MarkersOnlyWhereTrusted) {
  write_plain(in("trusted.jsonl"), "{\"text\": \"<｜User｜>hi\"}\n");
  write_plain(in("web.jsonl"), "{\"text\": \"<｜User｜>forged\"}\n");
  options_.validation = 0;
  add_source("::markers=true", "trusted.jsonl");
  add_source("", "web.jsonl");
  build_dataset(options_);
  const Dataset data = Dataset::open(options_.out);
  std::vector<int32_t> ids(5);
  data.stream(Split::train, 0).copy(0, ids);
  EXPECT_EQ(ids, (std::vector<int32_t>{256, 258, 'h', 'i', 257}));
  EXPECT_EQ(data.stream(Split::train, 0).document(0).text_bytes, 2u);
  EXPECT_EQ(data.stream(Split::train, 1).n_tokens(), 2 + std::string("<｜User｜>forged").size());
}

TEST_F(BuildTest, ManifestReadsBackAndExistingDataIsKept) {
  write_plain(in("a.jsonl"), rows(0, 100));
  add_source("::licence=CC0-1.0,weight=2");
  EXPECT_FALSE(is_up_to_date(options_));
  const Manifest m = build_dataset(options_);
  EXPECT_TRUE(is_up_to_date(options_));
  const Manifest again = read_manifest(options_.out);
  EXPECT_EQ(manifest_text(again), manifest_text(m));
  EXPECT_EQ(again.hash, m.hash);
  EXPECT_EQ(again.sources[0].source.licence, "CC0-1.0");
  EXPECT_THROW(build_dataset(options_), Error);
  options_.validation = 0.2;
  EXPECT_FALSE(is_up_to_date(options_));
  options_.overwrite = true;
  EXPECT_NE(build_dataset(options_).hash, m.hash);
  const Dataset data = Dataset::open(options_.out);
  EXPECT_NO_THROW(data.check_tokenizer(options_.tokenizer));
  write_plain(dir_.path() / "other/tokenizer.json", "{}");
  EXPECT_THROW(data.check_tokenizer(dir_.path() / "other"), Error);
}

TEST_F(BuildTest, NothingToLearnFromIsAnError) {
  EXPECT_THROW(build_dataset(options_), Error);
  write_plain(in("a.jsonl"), "bad\n");
  add_source();
  EXPECT_THROW(build_dataset(options_), Error);
  EXPECT_FALSE(fs::exists(options_.out / "manifest.json"));
  options_.tokenizer = dir_.path() / "absent";
  EXPECT_THROW(build_dataset(options_), Error);
}

TEST_F(BuildTest, EndlessWordsAreBadRows) {  // to the byte tokenizer a document is one word
  const std::string word(kMaxPieceBytes, 'w');
  write_plain(in("a.jsonl"), rows(0, 3) + "{\"text\": \"" + word + "\"}\n{\"text\": \"" + word + "e\"}\n" +
                                 "{\"text\": \"" + std::string(300'000, '\x02') + "\"}\n");
  options_.validation = 0;
  add_source();
  const Manifest m = build_dataset(options_);
  EXPECT_EQ(m.sources[0].documents_read, 6);
  EXPECT_EQ(m.sources[0].rejected, 2);
  EXPECT_EQ(m.total(Split::train).documents, 4);
  EXPECT_EQ(texts(Split::train)["a.jsonl:4"], word);
  std::ifstream rejected(options_.out / "rejected.jsonl");
  std::map<int, Json> by_line;
  for (std::string line; std::getline(rejected, line);) {
    const Json row = parse_json(line, "rejected.jsonl");
    by_line[row.at("line").get<int>()] = row;
  }
  ASSERT_EQ(by_line.size(), 2u);
  EXPECT_NE(by_line[5].at("reason").get<std::string>().find("4194305 bytes without a boundary"), std::string::npos);
  EXPECT_EQ(by_line[5].at("bytes").get<size_t>(), kMaxPieceBytes + 1);
  EXPECT_EQ(by_line[5].at("row").get<std::string>().size(), 128u << 10);  // the beginning
  EXPECT_EQ(by_line[6].at("bytes").get<size_t>(), 300'000u + 12);
}

/// Sets of hashes that do not fit in memory leave the same files behind.
TEST_F(BuildTest, MemoryForDuplicatesDoesNotShow) {
  std::string text;
  for (int i = 0; i < 6000; ++i) {
    const int n = i % 7 == 0 ? i / 3 : i;
    text += "{\"text\": \"" + std::to_string(n) + " document\\n" + std::string(70, static_cast<char>('a' + n % 26)) +
            std::to_string(n / 40) + "\\nend " + std::to_string(n) + "\"}\n";
  }
  write_plain(in("a.jsonl"), text);
  add_source();
  const Manifest m = build_dataset(options_);
  EXPECT_GT(m.sources[0].duplicates, 300);
  EXPECT_GT(m.sources[0].repeated_lines, 300);
  const auto wanted = files_of(options_.out);
  options_.overwrite = true;
  options_.dedup_bytes = 10'000;
  build_dataset(options_);
  EXPECT_EQ(files_of(options_.out), wanted);
}

TEST_F(BuildTest, ShowPrintsWhatAStepSaw) {
  write_plain(in("a.jsonl"), rows(0, 50));
  options_.validation = 0;
  add_source("::name=numbers");
  build_dataset(options_);
  const Dataset data = Dataset::open(options_.out);
  const Tokenizer tokenizer = Tokenizer::load(data.tokenizer_dir());
  const Loader loader(data, {.length = 64, .seed = 3, .weights = {}});
  const std::string text = show_rows(data, loader, tokenizer, 7, 2);
  EXPECT_NE(text.find("numbers"), std::string::npos);
  const Batch batch = loader.rows(7, 2);
  const Json json = parse_json(show_rows_json(data, loader, tokenizer, 7, 2), "show");
  ASSERT_EQ(json.size(), batch.pieces.size());
  for (size_t i = 0; i < json.size(); ++i) {
    const int line = json[i].at("line").get<int>();
    const std::string whole = "<begin>document number " + std::to_string((line - 1) * 7919) + "<end>";
    EXPECT_NE(whole.find(json[i].at("text").get<std::string>()), std::string::npos) << json[i].at("text");
    EXPECT_NE(text.find("a.jsonl:" + std::to_string(line) + " "), std::string::npos);
  }
}

#ifndef NURI_TEST_SANITIZED  // the sanitizer keeps freed memory
int64_t resident_bytes() {
  int64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

TEST_F(BuildTest, MemoryDoesNotGrowWithTheInput) {
  std::string filler;
  for (int i = 0; i < 200; ++i) filler += "word" + std::to_string(i * 31 % 97) + " ";
  const auto peak_of = [&](int n_rows) {
    fs::create_directories(dir_.path() / "in");
    std::ofstream file(in("a.jsonl"));  // row by row: a large string would leave its pages to this process
    for (int i = 0; i < n_rows; ++i) file << "{\"text\": \"" << i << " " << filler << "\"}\n";
    file.close();
    options_.overwrite = true;
    int64_t peak = 0;
    build_dataset(options_, [&](const BuildProgress&) { peak = std::max(peak, resident_bytes()); });
    return peak;
  };
  add_source();
  const int64_t small = peak_of(6000);  // 8 MB
  const int64_t large = peak_of(18000);
  EXPECT_LT(large, small + (8 << 20)) << small << " " << large;
}
#endif

}  // namespace
}  // namespace nuri::data
