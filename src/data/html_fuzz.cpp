// Any bytes are a page: no crash, and the text is never longer than the page can be with its references resolved.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "data/html.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view page(reinterpret_cast<const char*>(data), size);
  const std::string text = nuri::data::html_text(page);
  // Layout adds at most two line ends between two visible characters.
  if (text.size() > 3 * size + 16) std::abort();
  if (nuri::data::unescape_html(page).size() > size) std::abort();
  return 0;
}
