#include "io/model_files.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/json.h"

namespace nuri {
namespace {

constexpr size_t kMaxShards = 100'000;
constexpr JsonLimits kIndexLimits{.max_bytes = uint64_t(1) << 28, .max_depth = 8, .max_values = 1 << 22};

bool plain_file_name(std::string_view name) {
  constexpr std::string_view kEnding = ".safetensors";
  return name.size() > kEnding.size() && name.size() <= 255 && name.ends_with(kEnding) && name[0] != '.' &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

}  // namespace

std::map<std::string, std::string> parse_index(std::string_view json, std::string_view file) {
  const Json value = parse_json(json, file, kIndexLimits);
  const JsonObject index(value, std::string(file));
  const JsonObject map = index.object("weight_map");
  std::map<std::string, std::string> out;
  for (const auto& [name, unused] : index.at("weight_map").get_ref<const Json::object_t&>()) {
    const std::string shard = map.text(name);
    NURI_CHECK(plain_file_name(shard),
               "{}: tensor \"{}\": shard \"{}\" is not allowed; the plain name of a .safetensors file "
               "in the same directory is needed",
               file, name.substr(0, 200), shard.substr(0, 200));
    out[name] = shard;
  }
  NURI_CHECK(!out.empty(), "{}: weight_map is empty; the directory holds no weights", file);
  return out;
}

ModelFiles::ModelFiles(const std::filesystem::path& directory) : directory_(directory) {
  const bool one_file = fs::is_regular_file(directory);
  NURI_CHECK(one_file || fs::is_directory(directory),
             "{}: neither a directory nor a file; give a model directory (config.json and *.safetensors)",
             directory.string());
  const fs::path single = one_file ? directory : directory / kWeightsName, index = directory / kIndexName;
  if (one_file || fs::exists(single)) {
    files_.push_back(std::make_unique<SafetensorsFile>(single));
    for (const TensorEntry& entry : files_[0]->entries()) file_of_name_[entry.name] = 0;
  } else {
    NURI_CHECK(fs::exists(index), "{}: holds neither {} nor {}; a model directory has one of them", directory.string(),
               kWeightsName, kIndexName);
    const auto map = parse_index(read_file(index, kIndexLimits.max_bytes), index.string());
    std::set<std::string> shards;
    for (const auto& [name, shard] : map) shards.insert(shard);
    NURI_CHECK(shards.size() <= kMaxShards, "{}: {} shards; at most {} are read", index.string(), shards.size(),
               kMaxShards);
    std::map<std::string, size_t> number;
    for (const std::string& shard : shards) {
      NURI_CHECK(fs::exists(directory / shard), "{}: the shard is missing (named in {}); copy it here",
                 (directory / shard).string(), kIndexName);
      number[shard] = files_.size();
      files_.push_back(std::make_unique<SafetensorsFile>(directory / shard));
    }
    for (const auto& [name, shard] : map) {
      NURI_CHECK(files_[number[shard]]->find(name),
                 "{}: tensor \"{}\" is missing, though {} says it lies here; copy the model again",
                 (directory / shard).string(), name, kIndexName);
      file_of_name_[name] = number[shard];
    }
  }
  for (const auto& [name, unused] : file_of_name_) names_.push_back(name);
}

uint64_t ModelFiles::bytes() const {
  uint64_t sum = 0;
  for (const std::string& name : names_) sum += find(name)->bytes;
  return sum;
}

const TensorEntry* ModelFiles::find(std::string_view name) const {
  const auto it = file_of_name_.find(name);
  return it == file_of_name_.end() ? nullptr : files_[it->second]->find(name);
}

const SafetensorsFile& ModelFiles::file_of(std::string_view name) const {
  const auto it = file_of_name_.find(name);
  NURI_CHECK(it != file_of_name_.end(),
             "{}: tensor \"{}\" is missing; the directory does not hold the model its config.json "
             "describes",
             directory_.string(), name);
  return *files_[it->second];
}

std::span<const std::byte> ModelFiles::data(std::string_view name) const {
  const SafetensorsFile& file = file_of(name);
  return file.bytes(file.at(name));
}

const std::map<std::string, std::string>& ModelFiles::metadata() const { return files_[0]->metadata(); }

Tensor ModelFiles::load(std::string_view name, std::span<const int64_t> shape, DType dtype, Owner owner) const {
  return file_of(name).load(name, shape, dtype, owner);
}
Tensor ModelFiles::load(std::string_view name, DType dtype, Owner owner) const {
  return file_of(name).load(name, dtype, owner);
}

namespace {

/// "a, b, c and 7 more"
std::string some_names(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < std::min<size_t>(3, names.size()); ++i) out += (i ? ", " : "") + names[i];
  return names.size() <= 3 ? out : fmt::format("{} and {} more", out, names.size() - 3);
}

void check_copy(const ModelFiles& files, const std::string& copy, std::string_view original) {
  const auto a = files.data(copy), b = files.data(original);
  const bool equal =
      files.find(copy)->type == files.find(original)->type && std::equal(a.begin(), a.end(), b.begin(), b.end());
  NURI_CHECK(equal, "{}: tensor \"{}\" differs from \"{}\"; MTP shares embedding and head with the main model here",
             files.directory().string(), copy, original);
}

}  // namespace

ModelMatch match_model(const ModelFiles& files, const DeepseekV3Config& config) {
  std::vector<std::string> missing, missing_mtp;
  size_t n_mtp = 0;
  std::set<std::string_view> known;
  const std::vector<TensorSpec> specs = tensor_specs(config);
  for (const TensorSpec& spec : specs) {
    const bool mtp = spec.layer >= config.n_layers;
    n_mtp += mtp;
    const TensorEntry* entry = files.find(spec.name);
    if (!entry) {
      (mtp ? missing_mtp : missing).push_back(spec.name);
      continue;
    }
    known.insert(spec.name);
    NURI_CHECK(entry->shape == spec.shape,
               "{}: tensor \"{}\" has shape {}; config.json demands {}: the two do not belong together",
               files.directory().string(), spec.name, shape_text(entry->shape), shape_text(spec.shape));
    NURI_CHECK(convertible(*entry->type, DType::f32),
               "{}: tensor \"{}\" is {}; BF16, F16 and F32 weights are supported: convert "
               "the model first",
               files.directory().string(), spec.name, entry->type->name);
  }
  NURI_CHECK(missing.empty(), "{}: {} tensors of the model that config.json describes are missing: {}",
             files.directory().string(), missing.size(), some_names(missing));
  NURI_CHECK(missing_mtp.empty() || missing_mtp.size() == n_mtp,
             "{}: the MTP module is incomplete: {} of its {} tensors are missing "
             "({}); add them, or set num_nextn_predict_layers to 0",
             files.directory().string(), missing_mtp.size(), n_mtp, some_names(missing_mtp));
  ModelMatch match;
  match.has_mtp = n_mtp > 0 && missing_mtp.empty();
  for (const std::string& name : files.names()) {
    if (known.contains(name)) continue;
    const auto original = shared_copy_of(config, name);
    if (original && match.has_mtp) check_copy(files, name, *original);
    (original ? match.copies : match.unused).push_back(name);
  }
  return match;
}

}  // namespace nuri
