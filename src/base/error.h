// Errors. Bad input from outside throws Error with a remedy; a broken invariant of our own asserts.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace nuri {

/// Bad input, missing file, full disk: something the user can mend. The message says where, what was found, what is
/// allowed and what to do. `cli` prints it and exits with code 2.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& what) : std::runtime_error(what) {}
};

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line, const std::string& message);

}  // namespace nuri

/// Bad input: throws nuri::Error with a fmt-style message when the condition does not hold.
#define NURI_CHECK(condition, ...) \
  do {                             \
    if (!(condition)) [[unlikely]] \
      ::nuri::fail(__VA_ARGS__);   \
  } while (0)

/// A bug of ours: prints and aborts. Kept in release builds; never used on user input. Optional fmt-style message.
#define NURI_ASSERT(condition, ...)                                                                          \
  do {                                                                                                       \
    if (!(condition)) [[unlikely]]                                                                           \
      ::nuri::assertion_failed(#condition, __FILE__, __LINE__, ::nuri::detail::assert_message(__VA_ARGS__)); \
  } while (0)

namespace nuri::detail {
inline std::string assert_message() { return {}; }
template <class... Args>
std::string assert_message(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::format(format, std::forward<Args>(args)...);
}
}  // namespace nuri::detail
