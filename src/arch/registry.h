// The architectures this program builds, one row each.
#pragma once

#include <span>
#include <string_view>

namespace nuri {

struct Architecture {
  std::string_view model_type;  ///< of config.json
  std::string_view class_name;  ///< architectures[0] of config.json
  std::string_view summary;
};

std::span<const Architecture> architectures();

/// The row of a model_type. Errors: none has it; `where` names file and key, the message lists what is built.
const Architecture& find_architecture(std::string_view model_type, std::string_view where);

}  // namespace nuri
