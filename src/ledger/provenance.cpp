#include "ledger/provenance.h"

#include <openssl/evp.h>

#include <array>
#include <ctime>

#include "base/error.h"
#include "base/file.h"
#include "nuri_commit.h"

namespace nuri {

struct Sha256::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(evp); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  NURI_ASSERT(context_->evp && EVP_DigestInit_ex(context_->evp, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;

void Sha256::add(const void* data, size_t bytes) { NURI_ASSERT(EVP_DigestUpdate(context_->evp, data, bytes) == 1); }

std::string Sha256::hex() {
  std::array<unsigned char, 32> digest{};
  NURI_ASSERT(EVP_DigestFinal_ex(context_->evp, digest.data(), nullptr) == 1);
  std::string out;
  for (const unsigned char byte : digest) out += fmt::format("{:02x}", byte);
  return out;
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.hex();
}

std::string sha256_file(const std::filesystem::path& path) { return sha256(MappedFile(path).text()); }

std::string_view build_commit() { return NURI_COMMIT; }

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace nuri
