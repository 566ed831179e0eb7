#include "cli/model_options.h"

#include <fmt/format.h>

namespace nuri {

void ModelOptions::add(CLI::App& app) {
  app.add_option("MODEL", directory, "model directory (config.json, *.safetensors, tokenizer.json)")->required();
  app.add_option("--precision", precision, "bf16 or f32 (default: what config.json says the weights are)")
      ->check(CLI::IsMember({"bf16", "f32"}));
  app.add_option("--mla-form", form, "expanded (default) or absorbed (smaller cache; other last bits)")
      ->check(CLI::IsMember({"expanded", "absorbed"}));
}

std::unique_ptr<DeepseekV3> ModelOptions::load() const {
  LoadOptions options;
  if (!precision.empty()) options.dtype = precision == "bf16" ? DType::bf16 : DType::f32;
  options.form = form == "absorbed" ? MlaForm::absorbed : MlaForm::expanded;
  LoadedModel loaded = load_model(directory, options);
  for (const std::string& note : loaded.notes) fmt::print(stderr, "note: {}\n", note);
  return std::move(loaded.model);
}

void SamplingOptions::add(CLI::App& app) {
  app.add_option("--temperature", temperature, "0: greedy (default 0.7)");
  app.add_option("--top-k", top_k, "keep the k likeliest tokens; 0: all (default)");
  app.add_option("--top-p", top_p, "keep the likeliest tokens up to this probability; 1: all (default)");
  app.add_option("--min-p", min_p, "keep tokens at least this likely relative to the likeliest; 0: all (default)");
  app.add_option("--seed", seed, "of the draws (default 0)");
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
