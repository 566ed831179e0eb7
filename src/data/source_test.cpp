#include "data/source.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <set>

#include "base/error.h"
#include "base/test_support.h"
#include "data/facts.h"
#include "data/hash.h"
#include "data/jsonl.h"
#include "data/reader.h"

namespace nuri::data {
namespace {

using nuri::test::TempDir;

void write_plain(const fs::path& path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string gzip(std::string_view text) {
  std::string out(text.size() + 1000, '\0');
  z_stream z = {};
  deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  out.resize(ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);
  return out;
}

std::vector<std::string> names(const std::vector<SourceFile>& files, const fs::path& base) {
  std::vector<std::string> out;
  for (const SourceFile& f : files) out.push_back(f.path.lexically_relative(base).string());
  return out;
}

TEST(Source, ParsesPropertiesAndRefusesOthers) {
  const Source s = parse_source("/docs/ko::name=manual,weight=2.5,licence=CC-BY-SA-4.0,language=ko,hangul_lines=0.2");
  EXPECT_EQ(s.paths, std::vector<std::string>{"/docs/ko"});
  EXPECT_EQ(s.name, "manual");
  EXPECT_EQ(s.weight, 2.5);
  EXPECT_EQ(s.licence, "CC-BY-SA-4.0");
  EXPECT_EQ(s.language, Language::korean);
  EXPECT_EQ(s.hangul_lines, 0.2);
  EXPECT_EQ(parse_source("a/b/wiki.jsonl.zst").name, "wiki");
  EXPECT_EQ(parse_source("a/b/").name, "b");
  EXPECT_EQ(parse_source(".").name, "text");
  for (const char* bad : {"", "::name=x", "a::wieght=1", "a::weight=0", "a::weight=nan", "a::weight=2x",
                          "a::language=jp", "a::markers=yes", "a::name"}) {
    EXPECT_THROW(parse_source(bad), Error) << bad;
  }
  try {
    parse_source("a::wieght=1");
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("weight"), std::string::npos);
  }
  EXPECT_EQ(merge_sources({parse_source("a::name=x"), parse_source("b::name=x")})[0].paths.size(), 2u);
  EXPECT_THROW(merge_sources({parse_source("a::name=x"), parse_source("b::name=x,weight=2")}), Error);
}

TEST(Source, FilesAreSortedBytewiseAndOnce) {
  const TempDir dir;
  for (const char* name : {"b.txt", "B.txt", "a/z.html.gz", "a.jsonl", "가.md", "c.pdf", "a/x.HTM"}) {
    write_plain(dir.path() / name, "x");
  }
  fs::create_symlink("b.txt", dir.path() / "link.txt");
  fs::create_symlink("absent.txt", dir.path() / "dangling.txt");
  fs::create_directory_symlink(dir.path(), dir.path() / "loop");
  fs::create_symlink("itself.txt", dir.path() / "itself.txt");
  int64_t skipped = 0;
  Source source;
  source.paths = {dir.path().string(), (dir.path() / "b.txt").string(), (dir.path() / "*.txt").string()};
  EXPECT_EQ(names(list_files(source, skipped), dir.path()),
            (std::vector<std::string>{"B.txt", "a.jsonl", "a/x.HTM", "a/z.html.gz", "b.txt", "link.txt", "가.md"}));
  EXPECT_EQ(skipped, 3);  // the PDF, and from the pattern two links that lead nowhere
  source.paths = {(dir.path() / "c.pdf").string()};
  EXPECT_THROW(list_files(source, skipped), Error);
  source.paths = {(dir.path() / "none*.txt").string()};
  EXPECT_THROW(list_files(source, skipped), Error);
}

std::vector<RawDocument> read_file_documents(const fs::path& path, ReadLimits limits) {
  DocumentReader reader({{path, *file_kind(path)}}, limits);
  std::vector<RawDocument> out;
  for (RawDocument d; reader.next(d);) out.push_back(d);
  return out;
}

TEST(Reader, CompressedFilesAreTheSameText) {
  const TempDir dir;
  std::string text;
  for (int i = 0; i < 40000; ++i) text += "{\"text\": \"row " + std::to_string(i) + "\"}\n";
  write_plain(dir.path() / "x.jsonl", text);
  write_plain(dir.path() / "x.jsonl.gz", gzip(text.substr(0, 300000)) + gzip(text.substr(300000)));   // two members
  write_plain(dir.path() / "x.jsonl.zst", zstd(text.substr(0, 300000)) + zstd(text.substr(300000)));  // two frames
  const auto plain = read_file_documents(dir.path() / "x.jsonl", {});
  ASSERT_EQ(plain.size(), 40000u);
  EXPECT_EQ(plain[39999].line, 40000u);
  write_plain(dir.path() / "X.JSONL.GZ", read_file(dir.path() / "x.jsonl.gz"));
  for (const char* name : {"x.jsonl.gz", "x.jsonl.zst", "X.JSONL.GZ"}) {
    const auto rows = read_file_documents(dir.path() / name, {});
    ASSERT_EQ(rows.size(), plain.size()) << name;
    for (size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i].bytes, plain[i].bytes);
    const std::string good = read_file(dir.path() / name);
    for (size_t cut : {size_t(0), size_t(5), good.size() / 2, good.size() - 1}) {
      write_plain(dir.path() / "cut" / name, good.substr(0, cut));
      EXPECT_THROW(read_file_documents(dir.path() / "cut" / name, {}), Error) << name << " " << cut;
    }
    std::string bad = good;
    for (size_t i = good.size() / 2; i < good.size() / 2 + 40; ++i) bad[i] = static_cast<char>(~bad[i]);
    write_plain(dir.path() / "cut" / name, bad);
    EXPECT_THROW(read_file_documents(dir.path() / "cut" / name, {}), Error) << name;
  }
}

TEST(Reader, LongLinesPassWithoutMemory) {
  const TempDir dir;
  const std::string text = "first\n" + std::string(3 << 20, 'x') + "\nthird\r\n" + std::string(1000, 'y');
  write_plain(dir.path() / "x.jsonl", text);
  const auto rows = read_file_documents(dir.path() / "x.jsonl", {.document_bytes = 1000, .row_bytes = 100000});
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_TRUE(rows[1].too_long);
  EXPECT_EQ(rows[1].full_bytes, 3u << 20);
  EXPECT_EQ(rows[1].bytes.size(), 4096u);
  EXPECT_EQ(rows[2].bytes, "third");
  EXPECT_EQ(rows[3].bytes.size(), 1000u);
  write_plain(dir.path() / "x.txt", text);
  const auto pieces = read_file_documents(dir.path() / "x.txt", {.document_bytes = 1000, .row_bytes = 100000});
  ASSERT_EQ(pieces.size(), 3u);  // the line too long is a piece of its own
  EXPECT_EQ(pieces[0].bytes, "first\n");
  EXPECT_TRUE(pieces[1].too_long);
  EXPECT_EQ(pieces[2].line, 3u);
}

TEST(Reader, LongLinesThatAreAllowedAreWhole) {
  const TempDir dir;
  std::string text = "first\n";
  std::vector<std::string> lines{"first"};
  for (size_t i = 0; i < 5; ++i) {
    lines.push_back(std::string((size_t(1) << 20) + 70'000 * i - 1, static_cast<char>('a' + i)));
    lines.push_back(i % 2 ? "short" : "");
    text += lines[lines.size() - 2] + (i % 2 ? "\r\n" : "\n") + lines.back() + "\n";
  }
  lines.push_back(std::string(size_t(2) << 20, 'z'));  // without a line end
  write_plain(dir.path() / "x.jsonl", text + lines.back());
  const auto rows = read_file_documents(dir.path() / "x.jsonl", {});
  ASSERT_EQ(rows.size(), lines.size());
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i].bytes, lines[i]) << i;
}

TEST(Reader, TextFilesAreCutAtEmptyLines) {
  const TempDir dir;
  std::string text;
  for (int paragraph = 0; paragraph < 100; ++paragraph) {
    for (int line = 0; line < 5; ++line) text += "paragraph " + std::to_string(paragraph) + "\n";
    text += "\n";
  }
  write_plain(dir.path() / "x.txt", text);
  const auto pieces = read_file_documents(dir.path() / "x.txt", {.document_bytes = 600, .row_bytes = 100000});
  std::string together;
  uint64_t line = 1;
  for (const RawDocument& p : pieces) {
    EXPECT_LE(p.bytes.size(), 620u);
    EXPECT_EQ(p.line, line);
    EXPECT_TRUE(p.bytes.ends_with("\n\n"));
    line += static_cast<uint64_t>(std::count(p.bytes.begin(), p.bytes.end(), '\n'));
    together += p.bytes;
  }
  EXPECT_EQ(together, text);
  EXPECT_GT(pieces.size(), 10u);
}

TEST(Jsonl, TextOrReason) {
  RowParser parser;
  std::string text;
  EXPECT_EQ(parser.parse(R"({"id": 1, "text": "\uD55C\uAE00 \"x\"\n"})", "text", text), "");
  EXPECT_EQ(text, "한글 \"x\"\n");
  EXPECT_EQ(parser.parse(R"({"body": "b"})", "body", text), "");
  const std::pair<std::string, const char*> bad[] = {{R"({"text": "cut)", "no valid JSON"},
                                                     {R"({"text": 3})", "is a number"},
                                                     {R"({"text": null})", "is null"},
                                                     {R"({"text": ["a"]})", "is an array"},
                                                     {R"({"txt": "a"})", "no field"},
                                                     {R"(["text"])", "an array where an object"},
                                                     {R"({"text": "a"} x)", "no valid JSON"},
                                                     {"{\"text\": \"\xff\"}", "UTF-8"},
                                                     {R"({"text": "\uD800"})", "no valid JSON"},
                                                     {"", "no valid JSON"},
                                                     {std::string(5000, '['), "no valid JSON"},
                                                     {"42", "a number where an object"}};
  for (const auto& [row, reason] : bad) {
    EXPECT_NE(parser.parse(row, "text", text).find(reason), std::string::npos)
        << row << ": " << parser.parse(row, "text", text);
  }
}

/// Rows made of parts that matter to where they are cut, whole and taken apart: the same text or both bad.
TEST(Jsonl, LongRowsAreReadInParts) {
  const std::string_view parts[] = {"\"",
                                    "\\",
                                    "\\\\",
                                    "\\u",
                                    "\\uD83D\\uDE00",
                                    "\\ud83d",
                                    "\\uDBFF\\uDFFF",
                                    "\\udbFf",
                                    "\xF4\x8F\xBF\xBF",
                                    "\xF4\x8F\xBF\xBF"
                                    "0",
                                    "\xEA\xB0\x80",
                                    "\xEA\xB0",
                                    "\x80",
                                    "a",
                                    "text",
                                    "\\n",
                                    "\\\"",
                                    "\n",
                                    ",",
                                    ":",
                                    "{",
                                    "}",
                                    "[1]",
                                    "\"text\":\"",
                                    "\",\"",
                                    "0000"};
  RowParser whole({.row = 1 << 20});
  RowParser apart({.row = 0, .string = 24, .part = 3, .rest = 1 << 20});
  uint32_t state = 1;
  int good = 0;
  for (int round = 0; round < 200'000; ++round) {
    const auto next = [&](size_t n) { return (state = state * 1664525u + 1013904223u) / 65536 % n; };
    std::string row = next(8) ? "{\"text\":\"" : "{\"id\":\"";
    for (size_t i = next(14); i > 0; --i) row += parts[next(std::size(parts) - (next(3) ? 6 : 0))];
    if (next(8)) row += "\"}";
    std::string a, b;
    const std::string said = whole.parse(row, "text", a);
    ASSERT_EQ(said.empty(), apart.parse(row, "text", b).empty()) << row;
    ASSERT_EQ(a, b) << row;
    good += said.empty();
  }
  EXPECT_GT(good, 5'000);
  std::string text;
  const std::string numbers = "{\"text\": \"a\", \"x\": [" + std::string(4000, ' ') + "1]}";
  EXPECT_EQ(RowParser({.row = 10, .rest = 5000}).parse(numbers, "text", text), "");
  EXPECT_NE(RowParser({.row = 10, .rest = 3000}).parse(numbers, "text", text).find("more than 3000 bytes"),
            std::string::npos);
}

TEST(Clean, TidyIsUniformAndStable) {
  EXPECT_EQ(tidy("\xEF\xBB\xBF\n\n  a \t\r\nb\rc\xE2\x80\xA8\x64\n\n\n\n\ne\x01\x7F  \n\n"), "  a\nb\nc\nd\n\n\ne");
  EXPECT_EQ(tidy(""), "");
  EXPECT_EQ(tidy(" \n\t"), "");
  for (const char* text : {"a\n\n\n\nb", "  x\n y\t", "한글\r\n\r\n\r\n\r\n끝"})
    EXPECT_EQ(tidy(tidy(text)), tidy(text));
}

TEST(Clean, Languages) {
  EXPECT_EQ(guess_language("대한민국의 수도는 서울이다."), Language::korean);
  EXPECT_EQ(guess_language("GIMP에서 File > Save를 누릅니다"), Language::korean);
  EXPECT_EQ(guess_language("It’s “plain” English — really."), Language::english);
  EXPECT_EQ(guess_language("日本語の文章です"), Language::other);
  EXPECT_EQ(guess_language("Où est la bibliothèque? Ça a été gâché."), Language::other);
  EXPECT_EQ(guess_language("  \n"), Language::other);
  EXPECT_EQ(keep_hangul_lines("한글 줄\nEnglish line\n\n섞인 mixed 줄\n", 0.2), "한글 줄\n\n섞인 mixed 줄\n");
}

TEST(Clean, RepeatedLinesOfASource) {
  RepeatedLines lines(10);
  std::string a = "long enough line\nshort\nlong enough line\n한글은 글자로 센다 열 자\n", b = a;
  EXPECT_EQ(lines.drop(a), 1);
  EXPECT_EQ(a, "long enough line\nshort\n한글은 글자로 센다 열 자\n");
  EXPECT_EQ(lines.drop(b), 3);
  EXPECT_EQ(b, "short\n");
  EXPECT_EQ(RepeatedLines(0).drop(a), 0);
}

TEST(Hash, SetEqualsAnOrderedSet) {
  HashSet<uint64_t> set;
  HashSet<Hash128> wide;
  std::set<uint64_t> expected;
  uint64_t x = 1;
  for (int i = 0; i < 50000; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    const uint64_t key = x >> 49;  // 32,768 values: many repeats, zero among them
    const bool is_new = expected.insert(key).second;
    EXPECT_EQ(set.insert(key), is_new);
    EXPECT_EQ(wide.insert({key, key}), is_new);
  }
  EXPECT_EQ(set.size(), expected.size());
  EXPECT_EQ(wide.size(), expected.size());
  for (uint64_t key = 0; key < 40000; ++key) EXPECT_EQ(set.contains(key), expected.count(key) == 1);
  EXPECT_EQ(hash64("abc"), hash64(std::string("abc")));
  EXPECT_NE(hash64("abc", 1), hash64("abc"));
  StreamHash stream;
  stream.add("ab", 2);
  stream.add("c", 1);
  EXPECT_EQ(stream.value(), hash128("abc"));
  EXPECT_EQ(hex(hash128("")), "99aa06d3014798d86001c324468d497f");  // published by the authors of XXH3
}

TEST(Facts, AreTrueAndDeterministic) {
  for (uint64_t i = 0; i < 3000; ++i) {
    const Fact f = make_fact(3, i);
    EXPECT_EQ(f.statement, make_fact(3, i).statement);
    EXPECT_FALSE(f.question.empty() || f.answer.empty() || f.statement.empty());
    int a, b, c;
    char sign;
    if (std::sscanf(f.statement.c_str(), "%d %c %d = %d", &a, &sign, &b, &c) == 4) {
      EXPECT_EQ(c, sign == '+' ? a + b : sign == '-' ? a - b : a * b);
    } else if (std::sscanf(f.statement.c_str(), "%d plus %d is %d", &a, &b, &c) == 3) {
      EXPECT_EQ(c, a + b);
      EXPECT_EQ(f.answer, std::to_string(c));
    }
  }
  std::string all;
  for (uint64_t i = 0; i < 500; ++i) all += make_fact_row(3, i) + "\n";
  for (const char* right :
       {"대한민국의 수도는 서울이다.", "The capital of France is Paris.", "<｜User｜>", "</think>\n\n"}) {
    EXPECT_NE(all.find(right), std::string::npos) << right;
  }
  EXPECT_EQ(all.find("도쿄이다"), std::string::npos);  // after a vowel: 도쿄다
  EXPECT_EQ(all.find("서울다."), std::string::npos);
  const TempDir dir;
  write_fact_rows(dir.path() / "a.jsonl", 3, 200);
  write_fact_rows(dir.path() / "b.jsonl", 3, 200);
  EXPECT_EQ(read_file(dir.path() / "a.jsonl"), read_file(dir.path() / "b.jsonl"));
}

}  // namespace
}  // namespace nuri::data
