#include "arch/registry.h"

#include <string>

#include "base/error.h"

namespace nuri {
namespace {

constexpr Architecture kArchitectures[] = {
    {"deepseek_v3", "DeepseekV3ForCausalLM", "DeepSeek-V3, R1 and models of that shape"},
};

}  // namespace

std::span<const Architecture> architectures() { return kArchitectures; }

const Architecture& find_architecture(std::string_view model_type, std::string_view where) {
  std::string built;
  for (const Architecture& row : kArchitectures) {
    if (row.model_type == model_type) return row;
    built += fmt::format("{}\"{}\" ({})", built.empty() ? "" : ", ", row.model_type, row.summary);
  }
  fail("{}: found \"{}\"; this program builds {}: choose such a model", where, model_type.substr(0, 60), built);
}

}  // namespace nuri
