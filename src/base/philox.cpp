#include "base/philox.h"

#include "base/x1.h"

namespace nuri {
namespace {

constexpr uint32_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u;
constexpr uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;  // golden ratio, sqrt(3) - 1

uint64_t join(uint32_t low, uint32_t high) { return static_cast<uint64_t>(high) << 32 | low; }

}  // namespace

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> c, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = static_cast<uint64_t>(kMultiplier0) * c[0], b = static_cast<uint64_t>(kMultiplier1) * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ key[0], static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return c;
}

std::array<uint32_t, 4> Philox::words(uint64_t index) const {
  const uint32_t purpose = static_cast<uint32_t>(purpose_) << 24;
  return philox({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32) ^ purpose,
                 static_cast<uint32_t>(stream_), static_cast<uint32_t>(stream_ >> 32)},
                {static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)});
}

uint64_t Philox::bits64(uint64_t index) const {
  const auto w = words(index);
  return join(w[0], w[1]);
}

float Philox::uniform(uint64_t index) const { return static_cast<float>(words(index)[0] >> 8) * 0x1p-24f; }

double Philox::uniform_double(uint64_t index) const { return static_cast<double>(bits64(index) >> 11) * 0x1p-53; }

float Philox::normal(uint64_t index) const {
  const auto w = words(index);
  const double u = static_cast<double>((join(w[0], w[1]) >> 11) + 1) * 0x1p-53;                      // (0, 1]
  const double angle = static_cast<double>(join(w[2], w[3]) >> 11) * 0x1p-53 * 0x1.921fb54442d18p2;  // 2 pi
  double sin, cos;
  x1::sincos(angle, sin, cos);
  return static_cast<float>(x1::sqrt(-2.0 * x1::log(u)) * cos);
}

uint64_t Philox::below(uint64_t n, uint64_t index) const {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(bits64(index)) * n >> 64);
}

}  // namespace nuri
