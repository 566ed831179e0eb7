#include "io/convert.h"

#include <bit>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "base/x1.h"

namespace nuri {
namespace {

constexpr FileType kFileTypes[] = {
    {"F64", 8, DType::f64},       {"F32", 4, DType::f32},       {"F16", 2, DType::f16},
    {"BF16", 2, DType::bf16},     {"I64", 8, DType::i64},       {"I32", 4, DType::i32},
    {"I16", 2, DType::i16},       {"I8", 1, DType::i8},         {"U64", 8, std::nullopt},
    {"U32", 4, DType::u32},       {"U16", 2, DType::u16},       {"U8", 1, DType::u8},
    {"BOOL", 1, DType::boolean},  {"F8_E4M3", 1, std::nullopt}, {"F8_E5M2", 1, std::nullopt},
    {"F8_E8M0", 1, std::nullopt},
};

constexpr int64_t kGrain = 1 << 18;  // elements a task

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

float widen(const std::byte* from, DType type, int64_t i) {
  switch (type) {
    case DType::bf16:
      return x1::from_bf16(load<uint16_t>(from + 2 * i));
    case DType::f16:
      return from_f16(load<uint16_t>(from + 2 * i));
    default:
      return load<float>(from + 4 * i);
  }
}

}  // namespace

const FileType* find_file_type(std::string_view name) {
  for (const FileType& type : kFileTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

std::string_view file_type_names() {
  return "F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, BOOL, F8_E4M3, F8_E5M2, F8_E8M0";
}

const FileType& file_type_of(DType dtype) {
  for (const FileType& type : kFileTypes) {
    if (type.dtype == dtype) return type;
  }
  NURI_ASSERT(false, "{} has no name in files", dtype_name(dtype));
  return kFileTypes[0];
}

bool convertible(const FileType& from, DType to) {
  if (from.dtype == to) return true;
  const bool readable = from.dtype == DType::bf16 || from.dtype == DType::f16 || from.dtype == DType::f32;
  return readable && (to == DType::f32 || to == DType::bf16);
}

void convert_elements(const std::byte* from, const FileType& type, int64_t n, DType to, void* out) {
  NURI_ASSERT(convertible(type, to));
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) {
    if (type.dtype == to) {
      std::memcpy(static_cast<std::byte*>(out) + static_cast<size_t>(begin) * type.bytes,
                  from + static_cast<size_t>(begin) * type.bytes, static_cast<size_t>(end - begin) * type.bytes);
    } else if (to == DType::f32) {
      float* y = static_cast<float*>(out);
      for (int64_t i = begin; i < end; ++i) y[i] = widen(from, *type.dtype, i);
    } else {
      uint16_t* y = static_cast<uint16_t*>(out);
      for (int64_t i = begin; i < end; ++i) y[i] = x1::to_bf16(widen(from, *type.dtype, i));
    }
  });
}

float from_f16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  uint32_t exponent = (bits >> 10) & 31, fraction = bits & 0x3FF;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | fraction << 13);
  if (exponent == 0) {
    if (fraction == 0) return std::bit_cast<float>(sign);
    exponent = 1;  // subnormal: fraction x 2^-24; shift until the leading one stands where it is implied
    while (!(fraction & 0x400)) {
      fraction <<= 1;
      --exponent;
    }
    fraction &= 0x3FF;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

}  // namespace nuri
