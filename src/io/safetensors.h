// The safetensors container: 8 bytes of header length (little-endian), a JSON header, then the data of all tensors,
// row-major and without gaps. Everything a header says is checked before it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "io/convert.h"
#include "tensor/tensor.h"

namespace nuri {

struct TensorEntry {
  std::string name;
  const FileType* type = nullptr;
  std::vector<int64_t> shape;
  uint64_t offset = 0;  ///< of the first byte, from the start of the file
  uint64_t bytes = 0;
  int64_t elements() const { return static_cast<int64_t>(bytes / type->bytes); }
};

/// "[2, 37]"
std::string shape_text(std::span<const int64_t> shape);

struct SafetensorsHeader {
  std::vector<TensorEntry> entries;  ///< by name, bytewise
  std::map<std::string, std::string> metadata;
};

/// Reads and checks the header of a whole file held in memory. Errors, naming `file`: shorter than it says, header over
/// 100 MB or not JSON, a name twice, unknown types, offsets outside the file, overlapping or with gaps, shapes whose
/// size is not that of their bytes.
SafetensorsHeader parse_safetensors(std::span<const std::byte> bytes, std::string_view file);

/// A file mapped into memory. Moving keeps entries and spans valid.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);
  const std::filesystem::path& path() const { return path_; }
  const std::vector<TensorEntry>& entries() const { return header_.entries; }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  const TensorEntry* find(std::string_view name) const;  ///< null where absent
  const TensorEntry& at(std::string_view name) const;    ///< error where absent
  std::span<const std::byte> bytes(const TensorEntry& entry) const;

  /// A tensor of its own memory, converted to `dtype`. Errors: absent, no such conversion, more than four axes;
  /// `shape`, where given, must be the file's.
  Tensor load(std::string_view name, DType dtype, Owner owner = Owner::weights) const;
  Tensor load(std::string_view name, std::span<const int64_t> shape, DType dtype, Owner owner = Owner::weights) const;

 private:
  std::filesystem::path path_;
  MappedFile map_;
  SafetensorsHeader header_;
};

/// A tensor to be written; the data stays the caller's.
struct NamedTensor {
  std::string name;
  Tensor tensor;  ///< contiguous
};

/// Bytes that write_safetensors would write.
uint64_t safetensors_bytes(std::span<const NamedTensor> tensors,
                           const std::map<std::string, std::string>& metadata = {});

/// Writes a file that appears whole or not at all. Tensors lie by falling element size, then by name, so that each is
/// aligned. Two tensors of one name are a bug.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace nuri
