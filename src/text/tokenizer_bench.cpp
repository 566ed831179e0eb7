// Speed of training, encoding and decoding, in bytes of text per second. The text is made here, so that every machine
// measures the same: words of a skewed distribution, Korean and English, with numbers and punctuation.
#include <benchmark/benchmark.h>

#include <random>

#include "text/scan.h"
#include "text/tokenizer.h"
#include "text/tokenizer_train.h"

namespace nuri {
namespace {

std::vector<std::string> make_documents(size_t bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto skewed = [&](uint64_t n) {  // small numbers far more often
    const uint64_t a = random() % n, b = random() % n, c = random() % n;
    return a * b / n * c / n;
  };
  std::vector<std::string> documents;
  for (size_t done = 0; done < bytes; done += documents.back().size()) {
    std::string text;
    while (text.size() < 4000) {
      const bool korean = random() % 2;
      std::mt19937_64 word(skewed(40'000) * 2 + korean);  // the same number gives the same word
      for (uint64_t n = 1 + word() % 5; n > 0; --n) {
        if (korean)
          append_utf8(static_cast<char32_t>(0xAC00 + 28 * ((word() % 400) * (word() % 400) / 400) + word() % 3), text);
        else
          for (int i = 0; i < 2; ++i) text += static_cast<char>('a' + (word() % 26) * (word() % 26) / 26);
      }
      if (random() % 20 == 0) text += ' ' + std::to_string(random() % 10000);
      if (random() % 12 == 0)
        text += random() % 3 ? ". " : ",\n";
      else
        text += ' ';
    }
    documents.push_back(std::move(text));
  }
  return documents;
}

const std::vector<std::string>& documents() {
  static const std::vector<std::string> made = make_documents(8'000'000, 1);
  return made;
}

int64_t total_bytes(const std::vector<std::string>& texts) {
  int64_t bytes = 0;
  for (const std::string& text : texts) bytes += static_cast<int64_t>(text.size());
  return bytes;
}

TrainedTokenizer train(int32_t vocab_size) {
  TokenizerTrainOptions options;
  options.vocab_size = vocab_size;
  return train_tokenizer(
      [i = size_t(0)](std::string& document) mutable {
        if (i == documents().size()) return false;
        document = documents()[i++];
        return true;
      },
      options);
}

const Tokenizer& tokenizer() {
  static const Tokenizer trained = Tokenizer::from_json(train(8192).tokenizer_json);
  return trained;
}

void text_train(benchmark::State& state) {
  documents();
  for (auto _ : state) benchmark::DoNotOptimize(train(static_cast<int32_t>(state.range(0))));
  state.SetBytesProcessed(state.iterations() * total_bytes(documents()));
}
BENCHMARK(text_train)->Arg(4096)->Arg(32000)->Unit(benchmark::kMillisecond)->UseRealTime();

void text_split(benchmark::State& state) {
  documents();
  size_t pieces = 0;
  for (auto _ : state)
    for (const std::string& text : documents()) scan_deepseek_v3(text, [&](std::string_view) { ++pieces; });
  benchmark::DoNotOptimize(pieces);
  state.SetBytesProcessed(state.iterations() * total_bytes(documents()));
}
BENCHMARK(text_split)->Unit(benchmark::kMillisecond);

void text_encode(benchmark::State& state) {  // one thread
  tokenizer();
  std::vector<int32_t> ids;
  for (auto _ : state) {
    for (const std::string& text : documents()) {
      ids.clear();
      tokenizer().encode_to(text, ids);
      benchmark::DoNotOptimize(ids.data());
    }
  }
  state.SetBytesProcessed(state.iterations() * total_bytes(documents()));
}
BENCHMARK(text_encode)->Unit(benchmark::kMillisecond);

void text_decode(benchmark::State& state) {
  std::vector<std::vector<int32_t>> ids;
  for (const std::string& text : documents()) ids.push_back(tokenizer().encode(text));
  for (auto _ : state)
    for (const auto& one : ids) benchmark::DoNotOptimize(tokenizer().decode(one));
  state.SetBytesProcessed(state.iterations() * total_bytes(documents()));
}
BENCHMARK(text_decode)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace nuri
