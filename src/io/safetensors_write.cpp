// Writing safetensors files.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "io/safetensors.h"

namespace nuri {
namespace {

std::vector<const NamedTensor*> file_order(std::span<const NamedTensor> tensors) {
  std::vector<const NamedTensor*> order;
  for (const NamedTensor& named : tensors) order.push_back(&named);
  std::sort(order.begin(), order.end(), [](const NamedTensor* a, const NamedTensor* b) {
    const size_t a_bytes = dtype_bytes(a->tensor.dtype()), b_bytes = dtype_bytes(b->tensor.dtype());
    return a_bytes != b_bytes ? a_bytes > b_bytes : a->name < b->name;
  });
  return order;
}

std::string json_string(std::string_view text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Length and JSON, padded with blanks so that the data begins at a multiple of 8. The text is put together by hand,
/// since the library's ordered objects search all their keys at every insertion.
std::string header_of(std::span<const NamedTensor* const> order, const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty())
    text += "\"__metadata__\":" + Json(metadata).dump(-1, ' ', false, Json::error_handler_t::replace) + ",";
  uint64_t offset = 0;
  std::set<std::string_view> names;
  for (const NamedTensor* named : order) {
    const Tensor& tensor = named->tensor;
    NURI_ASSERT(tensor.contiguous() && names.insert(named->name).second, "{}", named->name);
    std::string shape;
    for (int i = 0; i < tensor.shape().rank(); ++i) shape += fmt::format("{}{}", i ? "," : "", tensor.dim(i));
    text += fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}},", json_string(named->name),
                        file_type_of(tensor.dtype()).name, shape, offset, offset + tensor.bytes());
    offset += tensor.bytes();
  }
  if (text.back() == ',') text.pop_back();
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string header(8, '\0');
  for (size_t i = 0; i < 8; ++i) header[i] = static_cast<char>(text.size() >> (8 * i) & 0xFF);
  return header + text;
}

}  // namespace

uint64_t safetensors_bytes(std::span<const NamedTensor> tensors, const std::map<std::string, std::string>& metadata) {
  uint64_t bytes = header_of(file_order(tensors), metadata).size();
  for (const NamedTensor& named : tensors) bytes += named.tensor.bytes();
  return bytes;
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::vector<const NamedTensor*> order = file_order(tensors);
  AtomicFile file(path);
  file.write(header_of(order, metadata));
  for (const NamedTensor* named : order) file.write(named->tensor.raw(), named->tensor.bytes());
  file.commit();
}

}  // namespace nuri
