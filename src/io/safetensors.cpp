#include "io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"

namespace nuri {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr size_t kMaxRank = 8;
constexpr int64_t kMaxSize = int64_t(1) << 62;
constexpr std::string_view kMetadata = "__metadata__";

/// JSON text of the header; its length is checked against the file first.
std::string_view header_text(std::span<const std::byte> bytes, std::string_view file) {
  NURI_CHECK(bytes.size() >= 8, "{}: {} bytes; a safetensors file has at least 8 (was it copied whole?)", file,
             bytes.size());
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<uint64_t>(bytes[static_cast<size_t>(i)]);
  NURI_CHECK(length <= kMaxHeader, "{}: the header claims {} bytes; at most {} are allowed (not a safetensors file?)",
             file, length, kMaxHeader);
  NURI_CHECK(length <= bytes.size() - 8,
             "{}: the header claims {} bytes but the file has {} after its length; copy it again", file, length,
             bytes.size() - 8);
  return {reinterpret_cast<const char*>(bytes.data()) + 8, static_cast<size_t>(length)};
}

std::vector<int64_t> integers(const JsonObject& tensor, std::string_view key, size_t most) {
  const Json& list = tensor.at(key);
  NURI_CHECK(list.is_array() && list.size() <= most, "{}: {}: found {}; a list of at most {} integers is needed",
             tensor.where(), key, json_kind(list), most);
  std::vector<int64_t> out;
  for (const Json& value : list) {
    const bool fits = value.is_number_unsigned() && value.get<uint64_t>() <= static_cast<uint64_t>(kMaxSize);
    NURI_CHECK(fits, "{}: {}: found {}; integers from 0 to {} are allowed", tensor.where(), key,
               value.is_structured() ? std::string(json_kind(value)) : value.dump(), kMaxSize);
    out.push_back(value.get<int64_t>());
  }
  return out;
}

TensorEntry parse_entry(const std::string& name, const Json& value, uint64_t data_start, uint64_t data_bytes,
                        std::string_view file) {
  const JsonObject tensor(value, fmt::format("{}: tensor \"{}\"", file, name.substr(0, 200)));
  TensorEntry entry;
  entry.name = name;
  const std::string type = tensor.text("dtype");
  entry.type = find_file_type(type);
  NURI_CHECK(entry.type, "{}: dtype: found \"{}\"; one of {} is allowed", tensor.where(), type.substr(0, 40),
             file_type_names());
  entry.shape = integers(tensor, "shape", kMaxRank);
  const std::vector<int64_t> offsets = integers(tensor, "data_offsets", 2);
  NURI_CHECK(offsets.size() == 2 && offsets[0] <= offsets[1] && static_cast<uint64_t>(offsets[1]) <= data_bytes,
             "{}: data_offsets {} do not lie in the {} bytes of data; the file is cut off or damaged: copy it again",
             tensor.where(), shape_text(offsets), data_bytes);
  entry.offset = data_start + static_cast<uint64_t>(offsets[0]);
  entry.bytes = static_cast<uint64_t>(offsets[1] - offsets[0]);

  int64_t needed = static_cast<int64_t>(entry.type->bytes);
  bool overflow = false;
  for (const int64_t size : entry.shape) overflow = overflow || __builtin_mul_overflow(needed, size, &needed);
  NURI_CHECK(!overflow && static_cast<uint64_t>(needed) == entry.bytes,
             "{}: shape {} of {} does not fill the {} bytes of its data_offsets; the header is damaged", tensor.where(),
             shape_text(entry.shape), entry.type->name, entry.bytes);
  return entry;
}

/// Every byte of the data belongs to exactly one tensor.
void check_cover(const std::vector<TensorEntry>& entries, uint64_t data_start, uint64_t file_bytes,
                 std::string_view file) {
  std::vector<const TensorEntry*> by_offset;
  for (const TensorEntry& entry : entries) by_offset.push_back(&entry);
  std::sort(by_offset.begin(), by_offset.end(), [](const TensorEntry* a, const TensorEntry* b) {
    return std::pair(a->offset, a->offset + a->bytes) < std::pair(b->offset, b->offset + b->bytes);
  });
  uint64_t end = data_start;
  for (const TensorEntry* entry : by_offset) {
    NURI_CHECK(entry->offset >= end, "{}: tensor \"{}\" overlaps another one; the header is damaged", file,
               entry->name.substr(0, 200));
    NURI_CHECK(entry->offset == end, "{}: {} bytes before tensor \"{}\" belong to no tensor; the header is damaged",
               file, entry->offset - end, entry->name.substr(0, 200));
    end = entry->offset + entry->bytes;
  }
  NURI_CHECK(end == file_bytes, "{}: {} bytes after the last tensor belong to no tensor; copy the file again", file,
             file_bytes - end);
}

}  // namespace

std::string shape_text(std::span<const int64_t> shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += fmt::format("{}{}", i ? ", " : "", shape[i]);
  return out + "]";
}

SafetensorsHeader parse_safetensors(std::span<const std::byte> bytes, std::string_view file) {
  const std::string_view text = header_text(bytes, file);
  const Json json = parse_json(text, fmt::format("{}: header", file), {.max_bytes = kMaxHeader, .max_depth = 4});
  NURI_CHECK(json.is_object(), "{}: the header is {}; an object of tensors is needed", file, json_kind(json));
  const uint64_t data_start = 8 + text.size(), data_bytes = bytes.size() - data_start;

  SafetensorsHeader header;
  for (const auto& [name, value] : json.get_ref<const Json::object_t&>()) {
    if (name != kMetadata) {
      header.entries.push_back(parse_entry(name, value, data_start, data_bytes, file));
      continue;
    }
    const JsonObject metadata(value, fmt::format("{}: {}", file, kMetadata));
    for (const auto& [key, unused] : value.get_ref<const Json::object_t&>()) header.metadata[key] = metadata.text(key);
  }
  check_cover(header.entries, data_start, bytes.size(), file);
  return header;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), map_(path), header_(parse_safetensors(map_.bytes(), path.string())) {}

const TensorEntry* SafetensorsFile::find(std::string_view name) const {
  const auto& all = header_.entries;
  const auto it = std::lower_bound(all.begin(), all.end(), name,
                                   [](const TensorEntry& entry, std::string_view key) { return entry.name < key; });
  return it != all.end() && it->name == name ? &*it : nullptr;
}

const TensorEntry& SafetensorsFile::at(std::string_view name) const {
  const TensorEntry* entry = find(name);
  NURI_CHECK(entry, "{}: tensor \"{}\" is missing; the file does not belong to this model or is incomplete",
             path_.string(), name);
  return *entry;
}

std::span<const std::byte> SafetensorsFile::bytes(const TensorEntry& entry) const {
  return map_.bytes().subspan(entry.offset, entry.bytes);
}

Tensor SafetensorsFile::load(std::string_view name, std::span<const int64_t> shape, DType dtype, Owner owner) const {
  const TensorEntry& entry = at(name);
  NURI_CHECK(std::equal(shape.begin(), shape.end(), entry.shape.begin(), entry.shape.end()),
             "{}: tensor \"{}\" has shape {}; config.json demands {}: the two files do not belong together",
             path_.string(), name, shape_text(entry.shape), shape_text(shape));
  return load(name, dtype, owner);
}

Tensor SafetensorsFile::load(std::string_view name, DType dtype, Owner owner) const {
  const TensorEntry& entry = at(name);
  NURI_CHECK(convertible(*entry.type, dtype),
             "{}: tensor \"{}\" is {}, which cannot be read as {}; convert the file first", path_.string(), name,
             entry.type->name, dtype_name(dtype));
  NURI_CHECK(entry.shape.size() <= Shape::kMaxRank, "{}: tensor \"{}\" has {} axes; at most {} are read here",
             path_.string(), name, entry.shape.size(), Shape::kMaxRank);
  Tensor tensor = Tensor::empty(Shape(entry.shape), dtype, owner);
  if (tensor.raw()) convert_elements(bytes(entry).data(), *entry.type, entry.elements(), dtype, tensor.raw());
  return tensor;
}

}  // namespace nuri
