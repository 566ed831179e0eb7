#include "text/tokenizer_train.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/profile.h"
#include "text/byte_alphabet.h"
#include "text/piece_counter.h"
#include "text/tokenizer_write.h"
#include "text/utf8.h"

namespace nuri {
namespace {

constexpr size_t kBatchBytes = size_t(4) << 20;
double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

std::vector<SpecialToken> deepseek_special_tokens() {
  return {{"<｜begin▁of▁sentence｜>", true},
          {"<｜end▁of▁sentence｜>", true},
          {"<｜▁pad▁｜>", true},
          {"<think>", false},
          {"</think>", false},
          {"<｜fim▁hole｜>", true},
          {"<｜fim▁begin｜>", true},
          {"<｜fim▁end｜>", true},
          {"<｜User｜>", false},
          {"<｜Assistant｜>", false},
          {"<|EOT|>", false},
          {"<｜tool▁calls▁begin｜>", false},
          {"<｜tool▁calls▁end｜>", false},
          {"<｜tool▁call▁begin｜>", false},
          {"<｜tool▁call▁end｜>", false},
          {"<｜tool▁outputs▁begin｜>", false},
          {"<｜tool▁outputs▁end｜>", false},
          {"<｜tool▁output▁begin｜>", false},
          {"<｜tool▁output▁end｜>", false},
          {"<｜tool▁sep｜>", false}};
}

PreSplitter pre_splitter(SplitPattern pattern) {
  std::vector<PreSplitter::Step> steps;
  for (const std::string_view regex : split_patterns(pattern)) {
    PreSplitter::Step step;
    step.regex.emplace_back(regex, "the training pattern");
    steps.push_back(std::move(step));
  }
  return PreSplitter(std::move(steps), false, false);
}

TrainedTokenizer train_tokenizer(const DocumentSource& next, const TokenizerTrainOptions& options) {
  TokenizerLayout layout;
  layout.nfc = options.nfc;
  layout.pattern = options.pattern;
  layout.max_seq_len = options.max_seq_len;
  layout.special = deepseek_special_tokens();
  for (const std::string& text : options.extra_special_tokens) {
    NURI_CHECK(!text.empty() && text.size() <= 1024 && utf8_first_invalid(text) == std::string::npos,
               "the special token {:?}: 1 to 1024 bytes of UTF-8 are allowed", text);
    for (const SpecialToken& other : layout.special)
      NURI_CHECK(other.text != text, "the special token {} is given twice; give it once", text);
    layout.special.push_back({text, true});
  }
  const auto fixed = static_cast<int32_t>(256 + layout.special.size());
  NURI_CHECK(options.vocab_size >= fixed && options.vocab_size <= (1 << 22),
             "a vocabulary of {} tokens; allowed are {} (256 bytes and {} special tokens) to {}", options.vocab_size,
             fixed, layout.special.size(), 1 << 22);

  TrainedTokenizer out;
  TokenizerTrainReport& report = out.report;
  const double start = seconds();
  PieceCounter counter(pre_splitter(options.pattern), options);
  std::vector<std::string> batch;
  size_t batch_bytes = 0;
  int64_t read = 0;
  const auto count_batch = [&] {
    std::optional<profile::Kernel> span;
    if (profile::on())
      span.emplace(profile::Work{.kernel = "count pieces",
                                 .shape = fmt::format("{} documents", batch.size()),
                                 .bytes = static_cast<double>(batch_bytes)});
    counter.add(batch);
  };
  for (std::string document; next(document); document.clear()) {
    batch_bytes += document.size();
    batch.push_back(std::move(document));
    ++read;
    if (batch_bytes < kBatchBytes) continue;
    count_batch();
    batch_bytes = 0;
    if (options.progress) options.progress("counting", read);
  }
  count_batch();
  ForEachPiece pieces = counter.finish(report);
  NURI_CHECK(report.pieces > 0,
             "no text to train a tokenizer on: {} documents, {} of them not UTF-8; give files that hold text", read,
             report.invalid_documents);
  report.count_seconds = seconds() - start;

  // Bytes have the order of their symbols, as in every byte-level file: '!' first.
  std::vector<int> order(256);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [](int a, int b) { return byte_symbol(static_cast<uint8_t>(a)) < byte_symbol(static_cast<uint8_t>(b)); });
  int32_t byte_ids[256];
  for (int i = 0; i < 256; ++i) {
    byte_ids[order[static_cast<size_t>(i)]] = TokenizerLayout::kFirstSpecial + i;
    layout.tokens.emplace_back(1, static_cast<char>(order[static_cast<size_t>(i)]));
  }
  const int32_t room = options.vocab_size - fixed;
  const profile::Scope merging("learn merges");
  LearnedMerges learned = learn_merges(std::move(pieces), byte_ids, TokenizerLayout::kFirstSpecial + 256, room,
                                       options.min_count, [&](int32_t done) {
                                         if (options.progress) options.progress("merging", done);
                                       });
  report.learned = static_cast<int32_t>(learned.tokens.size());
  report.placeholders = options.fill_vocab ? room - report.learned : 0;
  report.vocab_size = fixed + report.learned + report.placeholders;
  report.merge_seconds = seconds() - start - report.count_seconds;
  std::move(learned.tokens.begin(), learned.tokens.end(), std::back_inserter(layout.tokens));
  layout.merges = std::move(learned.merges);
  layout.placeholders = report.placeholders;
  out.tokenizer_json = write_tokenizer_json(layout);
  out.tokenizer_config_json = write_tokenizer_config(layout);
  return out;
}

TokenizerTrainReport train_tokenizer_to(const DocumentSource& next, TokenizerTrainOptions options,
                                        const fs::path& dir) {
  std::error_code error;
  fs::create_directories(dir, error);  // before the work, so that a wrong path shows at once
  NURI_CHECK(!error, "{}: cannot make this directory ({}); choose another", dir.string(), error.message());
  options.scratch = dir;
  const TrainedTokenizer trained = train_tokenizer(next, options);
  write_file_atomic(dir / "tokenizer_config.json", trained.tokenizer_config_json);
  write_file_atomic(dir / "tokenizer.json", trained.tokenizer_json);
  return trained.report;
}

}  // namespace nuri
