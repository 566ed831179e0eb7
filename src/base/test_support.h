// Helpers of the tests: where the shared data lies, scratch directories. Header only; not part of the product.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/error.h"

#if defined(__SANITIZE_ADDRESS__)
#define NURI_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NURI_TEST_SANITIZED 1
#endif
#endif

namespace nuri::test {

/// Whether AddressSanitizer is in, of either compiler: it keeps freed memory, and memory of its own.
#ifdef NURI_TEST_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/// Directory of the shared data (golden vectors, texts, tokenizers): $NURI_SHARED, else ../shared beside the
/// repository. Empty where there is none.
inline std::filesystem::path shared_or_empty() {
  if (const char* env = std::getenv("NURI_SHARED")) return env;
  std::filesystem::path dir = std::filesystem::path(NURI_SOURCE_DIR).parent_path() / "shared";
  return std::filesystem::is_directory(dir) ? dir : std::filesystem::path();
}

/// The message of the nuri::Error that `run` throws, or "no error".
template <class F>
std::string error_of(F&& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// A fresh directory, removed with all it holds when the object dies.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "nuri_test_XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace nuri::test

/// Declares `name` as the shared directory or skips the test with a clear line.
#define NURI_SHARED_OR_SKIP(name)                                     \
  const std::filesystem::path name = ::nuri::test::shared_or_empty(); \
  if (name.empty()) GTEST_SKIP() << "the shared data directory is absent (../shared, or set NURI_SHARED)"
