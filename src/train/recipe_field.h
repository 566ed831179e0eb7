// What a recipe's key says of itself.
#pragma once

#include <string_view>

namespace nuri {

struct RecipeField {
  std::string_view key;
  std::string_view unit;  ///< "tokens", "steps", "" ...
  std::string_view meaning;
  double min = 0, max = 0;  ///< of numbers; both allowed
};

}  // namespace nuri
