#include "models/load.h"

#include <map>

#include "base/threads.h"
#include "io/model_files.h"
#include "io/model_write.h"
#include "ops/not_finite.h"

namespace nuri {
namespace {

/// Copies a file's tensor into t, converting; sizes were checked by match_model.
void read_into(const ModelFiles& files, const std::string& name, const Tensor& t) {
  const TensorEntry& entry = *files.find(name);
  convert_elements(files.data(name).data(), *entry.type, t.size(), t.dtype(), t.raw());
  require_finite(t, name, files.directory());
}

}  // namespace

void require_finite(const Tensor& t, const std::string& name, const std::filesystem::path& place) {
  if (const int64_t at = find_not_finite(t); at >= 0)
    fail(
        "{}: {} {}: element {} is NaN or Inf; weights must be finite numbers (of FP16 and FP32 also after rounding to "
        "BF16). The file is damaged or the training that wrote it failed: use an earlier one",
        place.string(), name, t.shape().text(), at);
}

LoadedModel load_model(const std::filesystem::path& directory, const LoadOptions& options) {
  const DeepseekV3Config config = read_config(directory / "config.json");
  NURI_CHECK(config.quantisation.empty(),
             "{}: quantization_config: found quantised weights (method {}); BF16, F16 and F32 weights are supported: "
             "convert them to BF16 and remove this key",
             (directory / "config.json").string(), config.quantisation);
  const ModelFiles files(directory);
  const ModelMatch match = match_model(files, config);
  LoadedModel out;
  if (config.n_mtp_layers > 0 && !match.has_mtp)
    out.notes.push_back("config.json announces MTP, but the directory holds no MTP tensors: loaded without MTP");
  if (!match.unused.empty())
    out.notes.push_back(fmt::format("{} tensors belong to no part of the model and are ignored, first: {}",
                                    match.unused.size(), match.unused[0]));
  DeepseekV3::Options model_options;
  model_options.dtype = options.dtype.value_or(config.dtype == "bfloat16" ? DType::bf16 : DType::f32);
  model_options.trainable = options.trainable;
  model_options.with_mtp = match.has_mtp;
  model_options.form = options.form;
  out.model = std::make_unique<DeepseekV3>(config, model_options);
  const std::vector<Parameter*> parameters = out.model->parameters();
  parallel_for(static_cast<int64_t>(parameters.size()), [&](int64_t i) {
    Parameter& p = *parameters[static_cast<size_t>(i)];
    read_into(files, p.name, p.master.defined() ? p.master : p.value);
  });
  for (DeepseekV3::RouterBias& bias : out.model->router_biases()) read_into(files, bias.name, bias.value);
  out.model->refresh();
  return out;
}

std::vector<NamedTensor> model_tensors(DeepseekV3& model) {
  std::map<std::string, Tensor> by_name;
  for (const Parameter* p : model.parameters()) by_name.emplace(p->name, p->value);
  for (const DeepseekV3::RouterBias& bias : model.router_biases()) by_name.emplace(bias.name, bias.value);
  std::vector<NamedTensor> out;
  for (const TensorSpec& spec : tensor_specs(model.config())) {
    auto found = by_name.find(spec.name);
    if (found != by_name.end()) out.push_back({spec.name, found->second});
  }
  NURI_ASSERT(out.size() == by_name.size(), "{} of {} tensors have a place in the file", out.size(), by_name.size());
  return out;
}

std::string config_of(const DeepseekV3& model) {
  DeepseekV3Config config = model.config();
  config.dtype = model.options().dtype == DType::bf16 ? "bfloat16" : "float32";
  if (!model.has_mtp()) config.n_mtp_layers = 0;
  return write_config(config);
}

void save_model(DeepseekV3& model, const std::filesystem::path& directory) {
  write_file_atomic(directory / "config.json", config_of(model));
  write_model_weights(directory, model_tensors(model));
}

}  // namespace nuri
