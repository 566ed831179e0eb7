// Element types of files: their names, and exact conversion to the types the program computes with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "tensor/dtype.h"

namespace nuri {

/// An element type as files name it.
struct FileType {
  std::string_view name;       ///< "BF16", "F32", "F8_E4M3", ...
  size_t bytes;                ///< of one element
  std::optional<DType> dtype;  ///< absent where the program holds no such elements
};

/// Null where the name is unknown.
const FileType* find_file_type(std::string_view name);
/// The names known, for messages.
std::string_view file_type_names();
/// Asserts that files have a name for it.
const FileType& file_type_of(DType dtype);

/// Whether convert_elements goes from `from` to `to`: the same type, or BF16, F16, F32 to F32 or BF16.
bool convertible(const FileType& from, DType to);

/// Converts n elements at `from` (any alignment) to `to` at `out`. Widening is exact; BF16 results are rounded by rule
/// 4 of profile x1 (nearest even, below the smallest normal to signed zero, NaN to 0x7FC0); equal types are copied bit
/// for bit. REQUIRES: convertible.
void convert_elements(const std::byte* from, const FileType& type, int64_t n, DType to, void* out);

/// F16 to FP32, exact, by integer arithmetic (subnormals become normal numbers).
float from_f16(uint16_t bits);

}  // namespace nuri
