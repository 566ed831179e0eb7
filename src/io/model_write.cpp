#include "io/model_write.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "io/model_files.h"

namespace nuri {

void write_model_weights(const std::filesystem::path& directory, std::span<const NamedTensor> tensors,
                         const std::map<std::string, std::string>& metadata, uint64_t max_shard_bytes) {
  for (const std::string_view name : {kWeightsName, kIndexName}) {
    NURI_CHECK(!fs::exists(directory / name), "{}: exists already; weights are written into a new directory only",
               (directory / name).string());
  }
  std::vector<std::span<const NamedTensor>> shards;
  uint64_t total = 0, parameters = 0;
  size_t begin = 0;
  uint64_t in_shard = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const uint64_t bytes = tensors[i].tensor.bytes();
    if (i > begin && in_shard + bytes > max_shard_bytes) {
      shards.push_back(tensors.subspan(begin, i - begin));
      begin = i;
      in_shard = 0;
    }
    in_shard += bytes;
    total += bytes;
    parameters += static_cast<uint64_t>(tensors[i].tensor.size());
  }
  if (shards.empty()) return write_safetensors(directory / kWeightsName, tensors, metadata);
  shards.push_back(tensors.subspan(begin));

  Json index{{"metadata", {{"total_size", total}, {"total_parameters", parameters}}}, {"weight_map", Json::object()}};
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    write_safetensors(directory / name, shards[i], metadata);
    for (const NamedTensor& named : shards[i]) index["weight_map"][named.name] = name;
  }
  write_file_atomic(directory / kIndexName, json_text(index));
}

}  // namespace nuri
