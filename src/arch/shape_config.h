// The shape of any model from its config.json: one reader for each family, one row each in shape_config.cpp.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "arch/shape.h"

namespace nuri {

struct ShapeFamily {
  std::string_view model_type;  ///< of config.json
  std::string_view summary;
};
/// Those that can be read.
std::vector<ShapeFamily> shape_families();

/// Reads a Hugging Face config.json of a family above; `file` is how errors name it. Unknown keys are ignored. Errors:
/// not JSON, an unknown model_type (with the nearest), missing keys, sizes that contradict each other.
ModelShape parse_shape(std::string_view json, std::string_view file);
ModelShape read_shape(const std::filesystem::path& path);

/// What no single number can say; `where` names the description in errors.
void validate(const ModelShape& shape, std::string_view where);

}  // namespace nuri
