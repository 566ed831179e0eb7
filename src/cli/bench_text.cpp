// Training of a tokenizer, encoding by source, and the way from raw text to shards, on text that is named.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/median.h"
#include "base/threads.h"
#include "cli/bench.h"
#include "cli/documents.h"
#include "data/build.h"
#include "text/tokenizer.h"
#include "text/tokenizer_train.h"

namespace nuri {
namespace {

constexpr int kRounds = 3;

/// A directory for one measurement, in TMPDIR or /tmp; gone at the end.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "nuri_bench_XXXXXX").string();
    NURI_CHECK(::mkdtemp(name.data()) != nullptr, "{}: cannot be made; point TMPDIR to a directory with room", name);
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

struct SourceTexts {
  std::string name;
  double megabytes = 0;
  std::vector<std::string> texts;
};

std::vector<SourceTexts> read_sources(const std::vector<std::string>& sources) {
  std::vector<SourceTexts> out;
  SourceDocuments documents(sources, 0);
  for (std::string text; documents.next(text);) {
    if (out.empty() || out.back().name != documents.source()) out.push_back({documents.source(), 0, {}});
    out.back().megabytes += static_cast<double>(text.size()) / 1e6;
    out.back().texts.push_back(std::move(text));
  }
  NURI_CHECK(!out.empty(), "bench text: no text in what --text names; give files that hold some");
  return out;
}

void write_documents(const std::vector<SourceTexts>& sources, const fs::path& path) {
  AtomicFile file(path);
  for (const SourceTexts& source : sources)
    for (const std::string& text : source.texts)
      file.write(OrderedJson({{"source", source.name}, {"text", text}}).dump() + "\n");
  file.commit();
}

/// One pass over the texts. The tokenizer is a new one, so that no round begins with the pieces that the one before
/// left in the cache.
void encode_once(const TrainedTokenizer& trained, const std::vector<std::string>& texts, bool threads, double& seconds,
                 int64_t& tokens) {
  const Tokenizer tokenizer = Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json);
  std::vector<int64_t> counts(texts.size());
  const double begin = seconds_now();
  if (threads) {
    parallel_for(static_cast<int64_t>(texts.size()), [&](int64_t i) {
      counts[static_cast<size_t>(i)] = static_cast<int64_t>(tokenizer.encode(texts[static_cast<size_t>(i)]).size());
    });
  } else {
    for (size_t i = 0; i < texts.size(); ++i) counts[i] = static_cast<int64_t>(tokenizer.encode(texts[i]).size());
  }
  seconds = seconds_now() - begin;
  tokens = 0;
  for (const int64_t n : counts) tokens += n;
}

TextSourceBench bench_encoding(const TrainedTokenizer& trained, const SourceTexts& source) {
  TextSourceBench out{
      .name = source.name, .megabytes = source.megabytes, .documents = static_cast<int64_t>(source.texts.size())};
  std::vector<double> one, all;
  for (int round = 0; round < kRounds; ++round) {
    double seconds = 0;
    encode_once(trained, source.texts, false, seconds, out.tokens);
    one.push_back(seconds);
    encode_once(trained, source.texts, true, seconds, out.tokens);
    all.push_back(seconds);
  }
  out.encode_seconds = median(one);
  out.encode_threads_seconds = median(all);
  return out;
}

double build_seconds(const std::vector<std::string>& sources, const TrainedTokenizer& trained) {
  const Scratch scratch;
  data::BuildOptions options;
  for (const std::string& text : sources) options.sources.push_back(data::parse_source(text));
  options.tokenizer = scratch.path() / "tokenizer";
  options.out = scratch.path() / "shards";
  options.validation = 0;  // also where there is but one document
  fs::create_directories(options.tokenizer);
  write_file_atomic(options.tokenizer / "tokenizer.json", trained.tokenizer_json);
  write_file_atomic(options.tokenizer / "tokenizer_config.json", trained.tokenizer_config_json);
  const double begin = seconds_now();
  (void)data::build_dataset(options);
  return seconds_now() - begin;
}

}  // namespace

TextBench bench_text(const std::vector<std::string>& sources, int64_t vocab_size, const std::string& documents_out) {
  const std::vector<SourceTexts> read = read_sources(sources);
  if (!documents_out.empty()) write_documents(read, documents_out);
  TextBench out;
  for (const SourceTexts& source : read) out.megabytes += source.megabytes;
  TokenizerTrainOptions options;
  options.vocab_size = static_cast<int32_t>(vocab_size);
  size_t at_source = 0, at = 0;
  const double begin = seconds_now();
  const TrainedTokenizer trained = train_tokenizer(
      [&](std::string& text) {
        while (at_source < read.size() && at == read[at_source].texts.size()) ++at_source, at = 0;
        if (at_source == read.size()) return false;
        text = read[at_source].texts[at++];
        return true;
      },
      options);
  out.train_seconds = seconds_now() - begin;
  for (const SourceTexts& source : read) out.sources.push_back(bench_encoding(trained, source));
  std::vector<double> times;
  for (int round = 0; round < kRounds; ++round) times.push_back(build_seconds(sources, trained));
  out.shards_seconds = median(times);
  return out;
}

}  // namespace nuri
