// nuri score MODEL (--tokens 1,2,3 | --text S | --file F | --data DIR): log-probability of each token, or bits per byte
// of held-out documents.
#include "infer/score.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "base/file.h"
#include "base/json.h"
#include "cli/model_options.h"
#include "cli/score_data.h"
#include "cli/verbs.h"
#include "text/ids_text.h"
#include "text/tokenizer.h"

namespace nuri {
namespace {

struct Options {
  ModelOptions model;
  std::string tokens, text, file, data;  // may be given and empty
  int64_t length = 0;
  Argument tokens_given, text_given, file_given, data_given, length_given;
  bool trigram = false, json = false;
};

int run(const Options& o) {
  const bool by_tokens = o.tokens_given.given(), by_text = o.text_given.given(), by_file = o.file_given.given();
  const int given = by_tokens + by_text + by_file + o.data_given.given();
  NURI_CHECK(given == 1, "give exactly one of --tokens, --text, --file and --data");
  NURI_CHECK(o.data_given.given() || (!o.trigram && !o.length_given.given()), "--length and --trigram go with --data");
  const std::unique_ptr<DeepseekV3> model = o.model.load();
  if (o.data_given.given()) {
    score_data(*model, {o.model.directory, o.data, o.length, o.trigram, o.json});
    return kExitOk;
  }
  std::optional<Tokenizer> tokenizer;
  if (fs::exists(fs::path(o.model.directory) / "tokenizer.json")) tokenizer = Tokenizer::load(o.model.directory);
  std::vector<int32_t> ids;
  if (by_tokens) {
    ids = ids_from_text(o.tokens, static_cast<int32_t>(model->config().vocab_size), "--tokens");
  } else {
    NURI_CHECK(tokenizer, "{}: no tokenizer.json; score ids with --tokens instead", o.model.directory);
    if (const auto bos = tokenizer->bos_id()) ids.push_back(*bos);
    tokenizer->encode_to(by_text ? o.text : read_file(o.file), ids);
  }
  const std::vector<float> scores = score_tokens(*model, ids);
  double sum = 0;
  for (float s : scores) sum += static_cast<double>(s);
  if (o.json) {
    OrderedJson j;
    j["tokens"] = ids;
    j["log_probabilities"] = scores;
    for (float s : scores) j["hex"].push_back(fmt::format("{:a}", s));
    j["sum"] = sum;
    fmt::print("{}", json_text(j));
    return kExitOk;
  }
  for (size_t i = 0; i < scores.size(); ++i) {
    const int32_t id = ids[i + 1];
    const std::string text =
        tokenizer && id < tokenizer->vocab_size() ? Json(tokenizer->decode(std::span(&id, 1))).dump() : "";
    fmt::print("{:>8} {:>12.6f}  {}\n", id, scores[i], text);
  }
  fmt::print("sum {:.6f} nats over {} tokens, mean {:.6f}\n", sum, scores.size(),
             sum / static_cast<double>(scores.size()));
  return kExitOk;
}

}  // namespace

Action add_score(Arguments args) {
  auto o = std::make_shared<Options>();
  o->model.add(args);
  o->tokens_given = args.option("--tokens", o->tokens,
                                "ids separated by commas or blanks; the first is given, the others are scored");
  o->text_given = args.option("--text", o->text, "text; a begin token is put before it");
  o->file_given = args.option("--file", o->file, "file with such a text");
  o->data_given =
      args.option("--data", o->data, "directory of shards: bits per byte of its held-out documents, by source");
  o->length_given = args.option(
      "--length", o->length, "with --data: tokens of a document seen at once, at most (default 512, or the context)");
  args.flag("--trigram", o->trigram,
            "with --data: also what counting the training split achieves (some 24 bytes of memory a token)");
  args.flag("--json", o->json, "print JSON, with hexadecimal floats too");
  return [o] { return run(*o); };
}

}  // namespace nuri
