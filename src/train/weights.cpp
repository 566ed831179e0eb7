#include "train/weights.h"

#include <fmt/format.h>

#include <algorithm>

#include "ledger/provenance.h"
#include "models/init.h"
#include "models/load.h"
#include "text/same_tokens.h"

namespace nuri {
namespace {

std::vector<NamedTensor> tensors_by_name(DeepseekV3& model) {
  std::vector<NamedTensor> tensors = model_tensors(model);
  std::sort(tensors.begin(), tensors.end(), [](const NamedTensor& a, const NamedTensor& b) { return a.name < b.name; });
  return tensors;
}

}  // namespace

std::string weights_sha256(DeepseekV3& model) {
  Sha256 hash;
  for (const NamedTensor& t : tensors_by_name(model)) {
    hash.add(t.name);
    hash.add(t.tensor.raw(), t.tensor.bytes());
  }
  return hash.hex();
}

std::string weights_hash(DeepseekV3& model) {
  uint64_t h = 0xcbf29ce484222325ull;
  auto eat = [&h](const void* data, size_t bytes) {
    const auto* p = static_cast<const unsigned char*>(data);
    for (size_t i = 0; i < bytes; ++i) h = (h ^ p[i]) * 0x100000001b3ull;
  };
  for (const NamedTensor& t : tensors_by_name(model)) {
    eat(t.name.data(), t.name.size());
    eat(t.tensor.raw(), t.tensor.bytes());
  }
  return fmt::format("{:016x}", h);
}

std::vector<std::string> begin_weights(DeepseekV3& model, int64_t seed, const std::filesystem::path& base,
                                       const Tokenizer& tokenizer) {
  model.initialise(static_cast<uint64_t>(seed));
  if (base.empty()) return {};
  std::vector<int32_t> base_id;
  if (std::filesystem::exists(base / "tokenizer.json")) base_id = same_tokens(tokenizer, Tokenizer::load(base));
  return init_weights(model, base, base_id);
}

}  // namespace nuri
