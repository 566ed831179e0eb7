#include "io/safetensors.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/test_support.h"
#include "base/threads.h"
#include "base/x1.h"

namespace nuri {
namespace {

using test::error_of;

/// The bytes of a file with this header and so many bytes of data.
std::string file_of(const std::string& header, size_t data_bytes) {
  std::string out(8, '\0');
  for (size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(header.size() >> (8 * i));
  return out + header + std::string(data_bytes, '\1');
}

std::string refusal(const std::string& bytes) {
  return error_of([&] { parse_safetensors(std::as_bytes(std::span(bytes)), "f"); });
}

constexpr const char* kOne = R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})";

TEST(Safetensors, ReadsAHandMadeFile) {
  const std::string bytes =
      file_of(R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]},)"
              R"("a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
              R"("c":{"dtype":"F8_E4M3","shape":[0,7],"data_offsets":[26,26]}}   )",
              26);
  const SafetensorsHeader header = parse_safetensors(std::as_bytes(std::span(bytes)), "f");
  ASSERT_EQ(header.entries.size(), 3u);
  EXPECT_EQ(header.metadata.at("format"), "pt");
  EXPECT_EQ(header.entries[0].name, "a");
  EXPECT_EQ(header.entries[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(header.entries[1].elements(), 1);
  EXPECT_EQ(header.entries[1].offset, bytes.size() - 2);
  EXPECT_EQ(header.entries[2].elements(), 0);
}

TEST(Safetensors, RefusesDamagedFilesWithAReason) {
  const auto with = [](const std::string& tensor) { return file_of("{\"a\":" + tensor + "}", 24); };
  const std::pair<std::string, const char*> bad[] = {
      {"", "has at least 8"},
      {"1234567", "has at least 8"},
      {std::string(8, '\xff'), "at most 100000000"},
      {file_of(kOne, 24).substr(0, 30), "copy it again"},
      {file_of(kOne, 23), "cut off or damaged"},
      {file_of(kOne, 25), "1 bytes after the last tensor"},
      {file_of("[]", 0), "the header is an array"},
      {file_of("{\"a\":", 0), "not valid JSON"},
      {file_of("{\"a\xff\":1}", 0), "not valid JSON"},
      {file_of(std::string(kOne).insert(1, std::string(kOne).substr(1, strlen(kOne) - 2) + ","), 24),
       "\"a\" stands twice"},
      {file_of("{\"__metadata__\":{\"x\":1}}", 0), "__metadata__: x: found 1; a string"},
      {with("7"), "tensor \"a\": found an integer"},
      {with(R"({"dtype":"F33","shape":[6],"data_offsets":[0,24]})"), "dtype: found \"F33\""},
      {with(R"({"dtype":"F32","shape":[7],"data_offsets":[0,24]})"), "does not fill"},
      {with(R"({"dtype":"F32","shape":[-6],"data_offsets":[0,24]})"), "found -6"},
      {with(R"({"dtype":"F32","shape":[6.0],"data_offsets":[0,24]})"), "found 6.0"},
      {with(R"({"dtype":"F32","shape":6,"data_offsets":[0,24]})"), "shape: found an integer"},
      {with(R"({"dtype":"F32","shape":[6],"data_offsets":[0]})"), "data_offsets [0] do not lie"},
      {with(R"({"dtype":"F32","shape":[6],"data_offsets":[24,0]})"), "do not lie"},
      {with(R"({"dtype":"F32","shape":[6],"data_offsets":[4,28]})"), "do not lie"},
      {with(R"({"dtype":"F32","shape":[5],"data_offsets":[4,24]})"), "4 bytes before tensor"},
      {with(R"({"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]})"), "does not fill"},
      {with(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,6],"data_offsets":[0,24]})"), "at most 8 integers"},
      {with(R"({"dtype":"F32","data_offsets":[0,24]})"), "\"shape\" is missing"},
      {file_of(
           R"({"a":{"dtype":"U8","shape":[24],"data_offsets":[0,24]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}})",
           24),
       "overlaps"},
  };
  for (const auto& [bytes, reason] : bad) {
    const std::string error = refusal(bytes);
    EXPECT_EQ(error.rfind("f: ", 0), 0u) << error;
    EXPECT_NE(error.find(reason), std::string::npos) << error << "\nwanted: " << reason;
  }
}

TEST(Safetensors, EveryTruncationOfARealFileIsRefused) {
  NURI_SHARED_OR_SKIP(shared);
  const std::string bytes = read_file(shared / "data/models/edge_cases/hf2q_tiny_model/model.safetensors");
  EXPECT_EQ(refusal(bytes), "no error");
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_NE(refusal(bytes.substr(0, n)), "no error") << n;
}

TEST(Safetensors, ReadsFilesOfOtherPrograms) {
  NURI_SHARED_OR_SKIP(shared);
  const SafetensorsFile bf16(shared / "data/models/tiny_llama_bf16/model.safetensors");
  const TensorEntry& head = bf16.at("lm_head.weight");
  EXPECT_EQ(head.shape, (std::vector<int64_t>{16, 128}));
  // BF16 is the high half of FP32: widened values have these bits.
  const Tensor wide = bf16.load("lm_head.weight", DType::f32);
  const Tensor same = bf16.load("lm_head.weight", DType::bf16);
  uint16_t raw = 0;
  for (size_t i = 0; i < 16 * 128; ++i) {
    memcpy(&raw, bf16.bytes(head).data() + 2 * i, 2);
    ASSERT_EQ(std::bit_cast<uint32_t>(wide.span<float>()[i]), uint32_t(raw) << 16);
    ASSERT_EQ(same.span<Bf16>()[i].bits, raw);
  }
  const SafetensorsFile f16(shared / "data/models/edge_cases/hf2q_tiny_model/model.safetensors");
  EXPECT_EQ(f16.load("model.embed_tokens.weight", DType::f32).shape(), (Shape{32, 8}));
  EXPECT_EQ(f16.at("model.embed_tokens.weight").offset % 2, 1u);  // read at any alignment
  EXPECT_NE(error_of([&] {
              SafetensorsFile(shared / "data/models/edge_cases/tiny.safetensors");
            }).find("tiny.safetensors: 5 bytes after the last tensor belong to no tensor"),
            std::string::npos);
  EXPECT_EQ(SafetensorsFile(shared / "data/models/stories260K/model.safetensors")
                .load("model.embed_tokens.weight", DType::bf16)
                .size(),
            512 * 64);
  const SafetensorsFile outputs(shared / "golden/deepseek_v3/outputs.safetensors");
  EXPECT_EQ(outputs.load("tokens", DType::i64).shape(), (Shape{2, 38}));
  EXPECT_NE(error_of([&] { outputs.load("tokens", DType::f32); }).find("is I64, which cannot be read as f32"),
            std::string::npos);
  EXPECT_NE(error_of([&] { outputs.load("token", DType::f32); }).find("tensor \"token\" is missing"),
            std::string::npos);
}

TEST(Safetensors, WrittenFilesReadBackBitForBit) {
  const test::TempDir dir;
  Tensor a = Tensor::empty({3, 5}), b = Tensor::empty({7}, DType::bf16), c = Tensor::empty({2, 1, 2}, DType::i64);
  for (size_t i = 0; i < 15; ++i) a.span<float>()[i] = std::bit_cast<float>(uint32_t(i * 0x10203041u));
  for (size_t i = 0; i < 7; ++i) b.span<Bf16>()[i].bits = static_cast<uint16_t>(i * 0x2345);
  for (size_t i = 0; i < 4; ++i) c.span<int64_t>()[i] = -static_cast<int64_t>(i);
  const NamedTensor tensors[] = {{"b", b}, {"a \"quoted\" \u00e9", a}, {"c", c}, {"none", Tensor::empty({0, 4})}};
  const std::map<std::string, std::string> metadata{{"format", "pt"}, {"profile", "x1"}};
  write_safetensors(dir.path() / "x.safetensors", tensors, metadata);
  const SafetensorsFile file(dir.path() / "x.safetensors");
  EXPECT_EQ(file.metadata(), metadata);
  EXPECT_EQ(file.entries().size(), 4u);
  EXPECT_EQ(fs::file_size(file.path()), safetensors_bytes(tensors, metadata));
  for (const NamedTensor& named : tensors) {
    const TensorEntry& entry = file.at(named.name);
    EXPECT_EQ(entry.type->dtype, named.tensor.dtype());
    EXPECT_EQ(entry.offset % entry.type->bytes, 0u);
    ASSERT_EQ(entry.bytes, named.tensor.bytes());
    EXPECT_TRUE(entry.bytes == 0 || memcmp(file.bytes(entry).data(), named.tensor.raw(), entry.bytes) == 0)
        << named.name;
  }
  write_safetensors(dir.path() / "empty.safetensors", {});
  EXPECT_TRUE(SafetensorsFile(dir.path() / "empty.safetensors").entries().empty());
}

TEST(Convert, F16WidensLikeItsDefinition) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const int exponent = static_cast<int>(bits >> 10 & 31), fraction = static_cast<int>(bits & 1023);
    const float sign = bits & 0x8000 ? -1.0f : 1.0f, value = from_f16(static_cast<uint16_t>(bits));
    if (exponent == 31 && fraction) {
      ASSERT_TRUE(std::isnan(value)) << bits;
    } else if (exponent == 31) {
      ASSERT_EQ(value, sign * INFINITY) << bits;
    } else {
      const float wanted = exponent ? std::ldexp(1024.0f + static_cast<float>(fraction), exponent - 25)
                                    : std::ldexp(static_cast<float>(fraction), -24);
      ASSERT_EQ(std::bit_cast<uint32_t>(value), std::bit_cast<uint32_t>(sign * wanted)) << bits;
    }
  }
}

TEST(Convert, Bf16RoundsToNearestEven) {
  const std::pair<uint32_t, uint16_t> cases[] = {
      {0x3F800000, 0x3F80}, {0x3F808000, 0x3F80}, {0x3F808001, 0x3F81}, {0x3F818000, 0x3F82}, {0x7F7FFFFF, 0x7F80},
      {0x7F800000, 0x7F80}, {0xFF800000, 0xFF80}, {0x7FC00001, 0x7FC0}, {0xFF812345, 0x7FC0}, {0x00800000, 0x0080},
      {0x007FFFFF, 0x0000}, {0x807FFFFF, 0x8000}, {0x80000001, 0x8000}, {0x80000000, 0x8000}};
  for (const auto& [from, wanted] : cases) {
    uint16_t result = 0;
    convert_elements(reinterpret_cast<const std::byte*>(&from), *find_file_type("F32"), 1, DType::bf16, &result);
    EXPECT_EQ(result, wanted) << std::hex << from;
  }
}

TEST(Convert, SameTypesKeepTheirBits) {
  const uint32_t subnormal = 0x80000001, nan = 0x7F812345;
  uint32_t out = 0;
  const FlushSubnormals flush;
  for (const uint32_t bits : {subnormal, nan}) {
    convert_elements(reinterpret_cast<const std::byte*>(&bits), *find_file_type("F32"), 1, DType::f32, &out);
    EXPECT_EQ(out, bits);
  }
  const uint16_t smallest = 1;  // 2^-24: a subnormal of F16 is a normal number of FP32
  convert_elements(reinterpret_cast<const std::byte*>(&smallest), *find_file_type("F16"), 1, DType::f32, &out);
  EXPECT_EQ(out, std::bit_cast<uint32_t>(5.9604644775390625e-8f));
  const uint16_t tiny = 0x0001;  // a subnormal BF16 widens exactly, whatever the environment does with it later
  convert_elements(reinterpret_cast<const std::byte*>(&tiny), *find_file_type("BF16"), 1, DType::f32, &out);
  EXPECT_EQ(out, 0x00010000u);
}

}  // namespace
}  // namespace nuri
