// Any bytes as a recipe: an Error, or a recipe whose printed form reads back the same. Bytes after a NUL are a second
// text applied over the first, as --set does.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "base/x1.h"
#include "train/recipe.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t cut = std::min(text.find('\0'), size);
  try {
    nuri::ResolvedRecipe recipe;
    if (size % 2) recipe.policy.emplace();
    nuri::apply_recipe(recipe, text.substr(0, cut), "recipe\n\xFF.toml");
    if (cut < size) nuri::apply_recipe(recipe, text.substr(cut + 1), "--set");
    recipe.recipe.validate();
    const double rate = recipe.recipe.make_schedule(100).at(99);
    if (!(rate >= 0 && rate <= 100)) std::abort();
    nuri::ResolvedRecipe again;
    if (recipe.policy) again.policy.emplace();
    nuri::apply_recipe(again, nuri::recipe_text(recipe), "printed");
    if (!nuri::changed_bits(recipe, again).empty()) std::abort();
    again.origin = recipe.origin;
    if (nuri::recipe_text(again) != nuri::recipe_text(recipe)) std::abort();
  } catch (const nuri::Error&) {
  }
  return 0;
}
