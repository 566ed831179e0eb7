// Models from and to Hugging Face directories.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "models/deepseek_v3.h"

namespace nuri {

struct LoadOptions {
  std::optional<DType> dtype;  ///< what the forward reads; default: BF16 where config.json says bfloat16, else FP32
  bool trainable = false;
  MlaForm form = MlaForm::expanded;
  /// The model will only run forwards: matrices are kept as products read them, made from the file where it lies (see
  /// MappedFile for files that change meanwhile), and MTP is left out: its tensors are not read. It cannot be saved.
  bool serving = false;
};

struct LoadedModel {
  std::unique_ptr<DeepseekV3> model;
  std::vector<std::string> notes;  ///< what a user should know: MTP missing, unused tensors
};

/// Reads config.json and the weights. Weights of another type than asked for are converted (widened exactly, or rounded
/// to BF16). Errors: those of parse_config, ModelFiles, match_model and require_finite.
LoadedModel load_model(const std::filesystem::path& directory, const LoadOptions& options);

/// Error where an element is NaN or Inf, naming place (a file or directory), tensor and element.
void require_finite(const Tensor& t, const std::string& name, const std::filesystem::path& place);

/// The tensors of a model as its directory holds them, in file order: what the forward reads, and FP32 router biases.
std::vector<NamedTensor> model_tensors(DeepseekV3& model);

/// The text of its config.json.
std::string config_of(const DeepseekV3& model);
/// Writes config.json and the weights into an existing directory.
void save_model(DeepseekV3& model, const std::filesystem::path& directory);

}  // namespace nuri
