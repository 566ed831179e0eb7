// Where things come from: hashes of content, and the commit of this build.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace nuri {

/// SHA-256 of bytes fed in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void add(const void* data, size_t bytes);
  void add(std::string_view bytes) { add(bytes.data(), bytes.size()); }
  /// 64 hexadecimal digits; nothing may be added afterwards.
  std::string hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string sha256(std::string_view bytes);
/// Of a file's content, read in pieces.
std::string sha256_file(const std::filesystem::path& path);

/// Twelve digits of the commit this program was built from, with "+" where the tree had changes; "unknown" outside git.
std::string_view build_commit();

/// "2025-01-31T23:59:59Z", now.
std::string utc_now();

}  // namespace nuri
