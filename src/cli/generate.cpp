// nuri generate MODEL (--prompt S | --file F): continues prompts, one JSON line per reply of a file.
#include "infer/generate.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "arch/counts.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/machine.h"
#include "cli/model_options.h"
#include "cli/prompts.h"
#include "cli/verbs.h"
#include "ledger/noted_run.h"

namespace nuri {
namespace {

struct Options {
  ModelOptions model;
  SamplingOptions sampling;
  std::vector<std::string> prompts, stops;
  std::string file;
  int64_t max_tokens = 256, batch = 16, cache_tokens = 0;
  bool json = false;
};

int run(const Options& o) {
  NURI_CHECK(o.prompts.empty() != o.file.empty(), "give either --prompt (also several) or --file");
  const std::vector<std::string> prompts = o.file.empty() ? o.prompts : parse_prompts(read_file(o.file), o.file);
  const SamplerOptions sampler = o.sampling.sampler();
  const std::unique_ptr<DeepseekV3> model = o.model.load();
  const Tokenizer tokenizer = Tokenizer::load(o.model.directory);
  std::vector<GenerateRequest> requests;
  for (const std::string& prompt : prompts) {
    GenerateRequest r;
    if (const auto bos = tokenizer.bos_id()) r.prompt.push_back(*bos);
    tokenizer.encode_to(prompt, r.prompt);
    r.max_tokens = o.max_tokens;
    r.sampler = sampler;
    r.sequence = requests.size();
    if (const auto eos = tokenizer.eos_id()) r.stop_ids.push_back(*eos);
    r.stop_texts = o.stops;
    requests.push_back(std::move(r));
  }
  Generator generator(*model, tokenizer, {.batch = o.batch, .cache_tokens = o.cache_tokens});
  const bool stream = prompts.size() == 1 && !o.json && o.file.empty();
  std::optional<NotedRun> noted;  // in bulk: what a file asks
  if (!o.file.empty())
    noted.emplace("generate", command_line(), NotedRun::Subject{.model = o.model.directory}, active_level_text());
  const double begin = seconds_now();
  const auto replies_of = [&] {
    return generator.run(requests, [&](size_t, std::string_view text) {
      if (stream) {
        std::fwrite(text.data(), 1, text.size(), stdout);
        std::fflush(stdout);
      }
      return true;
    });
  };
  const std::vector<Reply> replies = noted ? noted->watch(replies_of) : replies_of();
  const double seconds = seconds_now() - begin;
  if (noted) {
    std::vector<int64_t> lengths;
    for (size_t i = 0; i < replies.size(); ++i)
      lengths.push_back(static_cast<int64_t>(requests[i].prompt.size() + replies[i].ids.size()));
    noted->record().family = "deepseek_v3";
    noted->record().tokens = std::accumulate(lengths.begin(), lengths.end(), int64_t(0));
    noted->record().flops = forward_flops(model->config(), lengths, false);
    noted->finish();
  }
  size_t tokens = 0;
  for (size_t i = 0; i < replies.size(); ++i) {
    tokens += replies[i].ids.size();
    if (stream) {
      fmt::print("\n");
      continue;
    }
    OrderedJson j;
    j["prompt"] = prompts[i];
    j["text"] = replies[i].text;
    j["tokens"] = replies[i].ids;
    j["log_probabilities"] = replies[i].log_probabilities;
    j["finish"] = finish_name(replies[i].finish);
    fmt::print("{}\n", j.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  fmt::print(stderr, "{} tokens in {:.2f} s, {:.1f} tokens/s\n", tokens, seconds,
             static_cast<double>(tokens) / seconds);
  return kExitOk;
}

}  // namespace

Action add_generate(Arguments args) {
  auto o = std::make_shared<Options>();
  o->model.add(args);
  args.option("--prompt", o->prompts, "text to continue (may be repeated)").one_value_each();
  args.option("--file", o->file, "JSONL with a field prompt; one JSON line per reply");
  args.option("--max-tokens", o->max_tokens, "longest reply, tokens (default 256)").between(1, 1 << 30);
  o->sampling.add(args);
  args.option("--stop", o->stops, "end the reply before this text (may be repeated)").one_value_each();
  args.option("--batch", o->batch, "sequences decoded together (default 16); no bit depends on it").between(1, 4096);
  args.option("--cache-tokens", o->cache_tokens, "tokens of key-value cache in all; 0: as needed (default)");
  args.flag("--json", o->json, "print a JSON line per reply");
  args.footer(
      "A begin token is put before each prompt; special tokens written in a prompt count as such.\n"
      "example: nuri generate runs/nano --prompt '데비안은' --max-tokens 64 --temperature 0.7 --seed 1");
  return [o] { return run(*o); };
}

}  // namespace nuri
