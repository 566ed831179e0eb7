// The weights of a Hugging Face model directory: model.safetensors, or shards with model.safetensors.index.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arch/deepseek_v3.h"
#include "io/safetensors.h"

namespace nuri {

inline constexpr std::string_view kWeightsName = "model.safetensors";
inline constexpr std::string_view kIndexName = "model.safetensors.index.json";

/// Tensor name to shard file name. Errors, naming `file`: not JSON, no weight_map, shard names that are not plain names
/// of .safetensors files (a path could leave the directory).
std::map<std::string, std::string> parse_index(std::string_view json, std::string_view file);

/// All tensors of a directory by name, mapped into memory.
class ModelFiles {
 public:
  /// A model directory, or one .safetensors file. Errors: no weights in the directory, a shard missing or damaged, a
  /// tensor of the index that its shard lacks.
  explicit ModelFiles(const std::filesystem::path& directory);

  const std::filesystem::path& directory() const { return directory_; }
  size_t n_files() const { return files_.size(); }
  const std::vector<std::string>& names() const { return names_; }  ///< bytewise order
  uint64_t bytes() const;                                           ///< of all tensors
  const TensorEntry* find(std::string_view name) const;             ///< null where absent
  std::span<const std::byte> data(std::string_view name) const;     ///< error where absent
  const std::map<std::string, std::string>& metadata() const;       ///< of the first file

  /// A tensor in memory of its own, converted to `dtype`; see SafetensorsFile::load.
  Tensor load(std::string_view name, std::span<const int64_t> shape, DType dtype, Owner owner = Owner::weights) const;
  Tensor load(std::string_view name, DType dtype, Owner owner = Owner::weights) const;

 private:
  const SafetensorsFile& file_of(std::string_view name) const;  ///< error where absent
  std::filesystem::path directory_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, size_t, std::less<>> file_of_name_;
  std::vector<std::string> names_;
};

/// How the tensors of a directory fit a description.
struct ModelMatch {
  bool has_mtp = false;             ///< the MTP tensors are there, all of them
  std::vector<std::string> copies;  ///< repetitions of embedding or head under MTP, equal to the main ones
  std::vector<std::string> unused;  ///< known to nobody; ignored
};

/// Compares names, shapes and types. Errors: a tensor of the main model missing, some MTP tensors missing while others
/// are there, a shape or type that does not fit, a copy of embedding or head that differs from it.
ModelMatch match_model(const ModelFiles& files, const DeepseekV3Config& config);

}  // namespace nuri
