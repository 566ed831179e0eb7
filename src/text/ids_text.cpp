#include "text/ids_text.h"

#include <charconv>

#include "base/error.h"

namespace nuri {

std::string ids_to_text(std::span<const int32_t> ids) {
  std::string text;
  text.reserve(ids.size() * 6);
  for (const int32_t id : ids) fmt::format_to(std::back_inserter(text), "{}{}", text.empty() ? "" : " ", id);
  return text;
}

std::vector<int32_t> ids_from_text(std::string_view text, int32_t end, std::string_view where) {
  std::vector<int32_t> ids;
  int64_t line = 1;
  const char* const stop = text.data() + text.size();
  for (const char* at = text.data(); at < stop;) {
    if (*at == '\n') ++line;
    if (std::string_view(" \t\r\n,[]").find(*at) != std::string_view::npos) {
      ++at;
      continue;
    }
    int64_t id = -1;
    const auto [next, error] = std::from_chars(at, stop, id);
    NURI_CHECK(error == std::errc() && id >= 0 && id < end,
               "{}: line {}: found {:?} where an id is needed; allowed are 0 to {}, separated by blanks", where, line,
               std::string_view(at, std::min<size_t>(static_cast<size_t>(stop - at), 20)), end - 1);
    ids.push_back(static_cast<int32_t>(id));
    at = next;
  }
  return ids;
}

}  // namespace nuri
