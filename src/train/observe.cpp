#include "train/observe.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "data/token_bytes.h"
#include "infer/generate.h"
#include "train/not_finite.h"

namespace nuri {
namespace {

EvalRow row_of(int64_t step, bool all_rows, const EvalResult& eval, bool ema) {
  EvalRow row{step, all_rows, eval.all.bits_per_byte(), {}, {}, ema};
  for (const auto& [name, bits] : eval.by_source) row.by_source[name] = bits.bits_per_byte();
  for (const auto& [name, bits] : eval.by_language) row.by_language[name] = bits.bits_per_byte();
  return row;
}

}  // namespace

Observer::Observer(DeepseekV3& model, Optimizer& optimizer, const TrainSource& source, const Recipe& recipe,
                   LogWriter& log)
    : model_(model), optimizer_(optimizer), source_(source), recipe_(recipe), log_(log) {
  token_bytes_ = data::bytes_per_token(source.tokenizer());
  token_bytes_.resize(static_cast<size_t>(model.config().vocab_size));
}

std::optional<EvalResult> Observer::evaluate(uint64_t max_rows) {
  const auto rows = source_.held_out(max_rows);
  if (rows->size() == 0) return std::nullopt;
  return nuri::evaluate(model_, *rows, token_bytes_, recipe_.rows_at_once(), recipe_.document_mask);
}

std::optional<EvalResult> Observer::validate(int64_t step, uint64_t max_rows) {
  const std::optional<EvalResult> eval = evaluate(max_rows);
  if (!eval) return eval;
  if (!std::isfinite(eval->all.nats))
    fail(
        "step {}: the validation loss is {}; the first value that is not finite comes out of {}. Nothing was saved: "
        "lower lr, and resume from an earlier checkpoint",
        step, eval->all.nats, first_not_finite(model_, [&] { (void)evaluate(max_rows); }));
  log_.write(row_of(step, max_rows == 0, *eval, false));
  return eval;
}

std::optional<EvalResult> Observer::validate_average(int64_t step) {
  if (!optimizer_.ema()) return std::nullopt;
  const AverageScope average(model_, optimizer_);
  const std::optional<EvalResult> eval = evaluate(0);
  if (eval) log_.write(row_of(step, true, *eval, true));
  return eval;
}

void Observer::write_samples(int64_t step) {
  std::vector<GenerateRequest> requests;
  std::vector<std::string> prompts;
  for (size_t begin = 0; begin < recipe_.sample_prompts.size();) {
    const size_t end = std::min(recipe_.sample_prompts.find('|', begin), recipe_.sample_prompts.size());
    prompts.push_back(recipe_.sample_prompts.substr(begin, end - begin));
    begin = end + 1;
  }
  if (prompts.empty() || recipe_.sample_tokens == 0) return;
  for (const std::string& prompt : prompts) {
    GenerateRequest r;
    r.prompt = source_.prompt(prompt);
    r.max_tokens = recipe_.sample_tokens;
    r.sampler.temperature = 0.7f;
    r.sampler.seed = static_cast<uint64_t>(recipe_.seed);
    r.sequence = requests.size();
    if (const auto eos = source_.tokenizer().eos_id()) r.stop_ids.push_back(*eos);
    requests.push_back(std::move(r));
  }
  const std::vector<Reply> replies = Generator(model_, source_.tokenizer()).run(requests);
  for (size_t i = 0; i < replies.size(); ++i) log_.write(SampleRow{step, prompts[i], replies[i].text});
}

}  // namespace nuri
