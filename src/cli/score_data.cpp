#include "cli/score_data.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "arch/counts.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/documents.h"
#include "cli/machine.h"
#include "cli/verbs.h"
#include "data/loader.h"
#include "data/ngram.h"
#include "data/token_bytes.h"
#include "eval/evaluate.h"
#include "ledger/noted_run.h"

namespace nuri {
namespace {

constexpr int64_t kRowsAtOnce = 4;

OrderedJson json_of(const BitsOf& bits, const data::NgramBits* counted) {
  OrderedJson j{{"tokens", bits.tokens}, {"bytes", bits.bytes}, {"bits_per_byte", bits.bits_per_byte()}};
  if (counted) j["unigram_bits_per_byte"] = counted->unigram, j["trigram_bits_per_byte"] = counted->trigram;
  return j;
}

void print_line(const std::string& what, const BitsOf& bits, const data::NgramBits* counted) {
  fmt::print("{:<24} {:>10} {:>10} {:>10.4f}", what, bits.tokens, bits.bytes, bits.bits_per_byte());
  if (counted)
    fmt::print(" {:>10.4f} {:>10.4f} {:>+9.1f} %", counted->unigram, counted->trigram,
               100 * (bits.bits_per_byte() / counted->trigram - 1));
  fmt::print("\n");
}

EvalResult evaluate_with_progress(DeepseekV3& model, const data::Dataset& dataset, int64_t length) {
  const data::ValidationRows rows(dataset, length);
  NURI_CHECK(rows.size() > 0,
             "{}: no document is held out; build it with a larger --validation, or score a text with --file",
             dataset.dir().string());
  const Tokenizer tokenizer = Tokenizer::load(dataset.tokenizer_dir());
  std::vector<int32_t> token_bytes = data::bytes_per_token(tokenizer);
  token_bytes.resize(static_cast<size_t>(model.config().vocab_size));
  ProgressPrinter progress;
  const double begin = seconds_now();
  const EvalResult result = evaluate(model, rows, token_bytes, kRowsAtOnce, true, [&](uint64_t done) {
    const double share = static_cast<double>(done) / static_cast<double>(rows.size());
    progress.show(
        fmt::format("row {} of {}, ETA {:.0f} s", done, rows.size(), (seconds_now() - begin) * (1 - share) / share));
  });
  progress.end();
  return result;
}

}  // namespace

void score_data(DeepseekV3& model, const ScoreDataOptions& o) {
  const data::Dataset dataset = data::Dataset::open(o.data);
  const int64_t context = model.config().max_seq_len,
                length = o.length > 0 ? o.length : std::min<int64_t>(512, context);
  NURI_CHECK(o.length >= 0 && length <= context, "--length {}: the model's context holds 1 to {} tokens", o.length,
             context);
  if (std::filesystem::exists(o.model / "tokenizer.json")) dataset.check_tokenizer(o.model);
  NURI_CHECK(dataset.manifest().vocab_size <= model.config().vocab_size,
             "{}: its tokenizer has {} ids, the model's vocabulary {}: another tokenizer made these shards",
             o.data.string(), dataset.manifest().vocab_size, model.config().vocab_size);
  NotedRun noted(
      "eval", command_line(),
      {.model = o.model, .places = {"data=" + std::filesystem::absolute(o.data).lexically_normal().string()}},
      active_level_text());
  const EvalResult bits = noted.watch([&] { return evaluate_with_progress(model, dataset, length); });
  noted.record().family = "deepseek_v3";
  noted.record().data_manifest = dataset.manifest().hash;
  noted.record().tokens = bits.all.tokens;
  noted.record().flops = forward_flops(model.config(), std::vector<int64_t>{length}, false) /
                         static_cast<double>(length) * static_cast<double>(bits.all.tokens);
  noted.record().results["bits_per_byte"] = bits.all.bits_per_byte();
  noted.finish();
  std::optional<data::NgramScore> counted;
  if (o.trigram) counted = data::score_ngrams(dataset);
  const auto& sources = dataset.manifest().sources;
  const auto counted_of = [&](const std::string& name) -> const data::NgramBits* {
    for (size_t i = 0; counted && i < sources.size(); ++i)
      if (sources[i].source.name == name) return &counted->by_source[i];
    return nullptr;
  };
  const data::NgramBits* counted_all = counted ? &counted->all : nullptr;
  if (o.json) {
    OrderedJson j;
    j["length"] = length;
    j["all"] = json_of(bits.all, counted_all);
    for (const auto& [name, of] : bits.by_source) j["by_source"][name] = json_of(of, counted_of(name));
    for (const auto& [name, of] : bits.by_language) j["by_language"][name] = json_of(of, nullptr);
    fmt::print("{}", json_text(j));
    return;
  }
  fmt::print("{:<24} {:>10} {:>10} {:>10}{}\n", "source", "tokens", "bytes", "bits/byte",
             counted ? fmt::format(" {:>10} {:>10} {:>11}", "unigram", "trigram", "to trigram") : "");
  for (const auto& [name, of] : bits.by_source) print_line(name, of, counted_of(name));
  for (const auto& [name, of] : bits.by_language) print_line("language " + name, of, nullptr);
  print_line("all", bits.all, counted_all);
}

}  // namespace nuri
