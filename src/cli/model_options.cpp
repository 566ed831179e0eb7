#include "cli/model_options.h"

#include <fmt/format.h>

namespace nuri {

void ModelOptions::add(Arguments args) {
  args.option("MODEL", directory, "model directory (config.json, *.safetensors, tokenizer.json)").required();
  args.option("--precision", precision, "bf16 or f32 (default: what config.json says the weights are)")
      .one_of({"bf16", "f32"});
  args.option("--mla-form", form, "expanded (default) or absorbed (smaller cache; other last bits)")
      .one_of({"expanded", "absorbed"});
}

std::unique_ptr<DeepseekV3> ModelOptions::load() const {
  LoadOptions options;
  if (!precision.empty()) options.dtype = precision == "bf16" ? DType::bf16 : DType::f32;
  options.form = form == "absorbed" ? MlaForm::absorbed : MlaForm::expanded;
  options.serving = true;
  LoadedModel loaded = load_model(directory, options);
  for (const std::string& note : loaded.notes) fmt::print(stderr, "note: {}\n", note);
  return std::move(loaded.model);
}

void SamplingOptions::add(Arguments args) {
  args.option("--temperature", temperature, "0: greedy (default 0.7)");
  args.option("--top-k", top_k, "keep the k likeliest tokens; 0: all (default)");
  args.option("--top-p", top_p, "keep the likeliest tokens up to this probability; 1: all (default)");
  args.option("--min-p", min_p, "keep tokens at least this likely relative to the likeliest; 0: all (default)");
  args.option("--seed", seed, "of the draws (default 0)");
}

SamplerOptions SamplingOptions::sampler() const {
  SamplerOptions s;
  s.temperature = static_cast<float>(temperature);
  s.top_k = top_k;
  s.top_p = static_cast<float>(top_p);
  s.min_p = static_cast<float>(min_p);
  s.seed = seed;
  s.check();
  return s;
}

}  // namespace nuri
