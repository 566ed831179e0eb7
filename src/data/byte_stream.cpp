#include "data/byte_stream.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace nuri::data {
namespace {

constexpr size_t kInput = 1 << 17;
constexpr const char* kRemedy = "fetch or compress it again, or leave it out";

class PlainStream : public ByteStream {
 public:
  explicit PlainStream(fs::path path) : path_(std::move(path)) {
    fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    NURI_CHECK(fd_ >= 0, "{}: cannot be opened ({}); check the name and permissions", path_.string(),
               std::strerror(errno));
  }
  ~PlainStream() override { ::close(fd_); }
  size_t read(char* out, size_t capacity) override {
    for (;;) {
      const ssize_t n = ::read(fd_, out, capacity);
      if (n < 0 && errno == EINTR) continue;
      NURI_CHECK(n >= 0, "{}: cannot be read at byte {} ({}); a file with text is needed", path_.string(), bytes_,
                 std::strerror(errno));
      bytes_ += static_cast<uint64_t>(n);
      return static_cast<size_t>(n);
    }
  }
  uint64_t file_bytes() const override { return bytes_; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  int fd_ = -1;
  uint64_t bytes_ = 0;
};

class GzipStream : public ByteStream {
 public:
  explicit GzipStream(const fs::path& path) : file_(path), input_(kInput) {
    NURI_CHECK(inflateInit2(&z_, 15 + 16) == Z_OK, "{}: no memory to decompress", path.string());
  }
  ~GzipStream() override { inflateEnd(&z_); }
  size_t read(char* out, size_t capacity) override {
    z_.next_out = reinterpret_cast<Bytef*>(out);
    z_.avail_out = static_cast<uInt>(std::min<size_t>(capacity, 1u << 30));
    const size_t room = z_.avail_out;
    while (z_.avail_out == room) {
      if (z_.avail_in == 0) {
        z_.avail_in = static_cast<uInt>(file_.read(input_.data(), input_.size()));
        z_.next_in = reinterpret_cast<Bytef*>(input_.data());
        if (z_.avail_in == 0) {
          NURI_CHECK(!inside_, "{}: the gzip data end early, after byte {}; {}", file_.path().string(),
                     file_.file_bytes(), kRemedy);
          return 0;
        }
      }
      if (!inside_) {  // the next of several members
        inflateReset(&z_);
        inside_ = true;
      }
      const int status = inflate(&z_, Z_NO_FLUSH);
      if (status == Z_STREAM_END) {
        inside_ = false;
      } else {
        NURI_CHECK(status == Z_OK || status == Z_BUF_ERROR, "{}: damaged gzip data before byte {} ({}); {}",
                   file_.path().string(), file_.file_bytes(), z_.msg ? z_.msg : "unknown form", kRemedy);
      }
    }
    return room - z_.avail_out;
  }
  uint64_t file_bytes() const override { return file_.file_bytes(); }

 private:
  PlainStream file_;
  std::vector<char> input_;
  z_stream z_ = {};
  bool inside_ = true;  // of a member; an empty file is no gzip file
};

class ZstdStream : public ByteStream {
 public:
  explicit ZstdStream(const fs::path& path) : file_(path), input_(kInput), context_(ZSTD_createDStream()) {
    NURI_CHECK(context_ != nullptr, "{}: no memory to decompress", path.string());
    // 128 MiB, what `zstd --long` writes; a hostile header cannot ask for more.
    ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, 27);
  }
  ~ZstdStream() override { ZSTD_freeDStream(context_); }
  size_t read(char* out, size_t capacity) override {
    ZSTD_outBuffer to{out, capacity, 0};
    while (to.pos == 0) {
      if (from_.pos == from_.size && !flushing_) {
        from_ = {input_.data(), file_.read(input_.data(), input_.size()), 0};
        if (from_.size == 0) {
          NURI_CHECK(!inside_, "{}: the Zstandard data end early, after byte {}; {}", file_.path().string(),
                     file_.file_bytes(), kRemedy);
          return 0;
        }
      }
      const size_t status = ZSTD_decompressStream(context_, &to, &from_);
      NURI_CHECK(!ZSTD_isError(status), "{}: damaged Zstandard data before byte {} ({}); {}", file_.path().string(),
                 file_.file_bytes(), ZSTD_getErrorName(status), kRemedy);
      inside_ = status != 0;
      flushing_ = inside_ && to.pos == to.size;  // more output may wait inside
    }
    return to.pos;
  }
  uint64_t file_bytes() const override { return file_.file_bytes(); }

 private:
  PlainStream file_;
  std::vector<char> input_;
  ZSTD_DStream* context_;
  ZSTD_inBuffer from_ = {nullptr, 0, 0};
  bool inside_ = true, flushing_ = false;
};

}  // namespace

std::string lower_extension(const fs::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return ending;
}

std::unique_ptr<ByteStream> open_stream(const fs::path& path) {
  NURI_CHECK(!fs::is_directory(path), "{}: a directory where a file is needed", path.string());
  const std::string ending = lower_extension(path);
  if (ending == ".gz") return std::make_unique<GzipStream>(path);
  if (ending == ".zst") return std::make_unique<ZstdStream>(path);
  return std::make_unique<PlainStream>(path);
}

std::string read_all(const fs::path& path, uint64_t max_bytes) {
  const auto stream = open_stream(path);
  std::string out;
  for (;;) {
    const size_t had = out.size();
    out.resize(had + kInput);
    const size_t n = stream->read(out.data() + had, kInput);
    out.resize(had + n);
    if (n == 0) return out;
    NURI_CHECK(out.size() <= max_bytes, "{}: more than {} bytes of text in one document; cut it into smaller files",
               path.string(), max_bytes);
  }
}

}  // namespace nuri::data
