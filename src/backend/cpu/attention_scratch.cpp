#include "backend/cpu/attention_scratch.h"

namespace nuri::cpu {
namespace {

PackSource source_of(const Packer::Matrix& m, bool k_contiguous) {
  return {.data = m.data,
          .bf16 = m.dtype == DType::bf16,
          .stride = m.stride,
          .rows = nullptr,
          .k_contiguous = k_contiguous,
          .k = k_contiguous ? m.columns : m.rows};
}

}  // namespace

const AttentionKernels& attention_level() {
  return pick(portable::attention_kernels, avx2::attention_kernels, avx512::attention_kernels,
              avx512_bf16::attention_kernels);
}

Packer::Packer(Precision precision)
    : precision_(precision),
      words_(precision == Precision::f32 ? Words::floats : attention_level().pairs ? Words::pairs : Words::rounded),
      kernels_(pick(portable::product_kernels, avx2::product_kernels, avx512::product_kernels,
                    avx512_bf16::product_kernels)) {}

void Packer::rows(const Matrix& m, uint32_t* out, int64_t stride) const {
  kernels_.pack_rows(source_of(m, true), words_, {0, m.rows, 0, m.columns}, out, stride);
}

Packer::Matrix Packer::rounded(const Matrix& m, float* room) const {
  if (words_ != Words::rounded || m.dtype == DType::bf16) return m;
  const int64_t stride = round_up_16(m.columns);
  kernels_.pack_rows(source_of(m, true), words_, {0, m.rows, 0, m.columns}, reinterpret_cast<uint32_t*>(room),
                     stride);
  return {.data = room, .dtype = DType::f32, .stride = stride, .rows = m.rows, .columns = m.columns};
}

void Packer::turned(const Matrix& m, uint32_t* out, float* room) const {
  const Words words = pairs() ? Words::pairs : Words::floats;
  kernels_.pack_panels(source_of(rounded(m, room), true), words, {0, m.rows, 0, m.columns}, out, depth(m.columns) * 16);
}

void Packer::straight(const Matrix& m, uint32_t* out, float* room) const {
  if (!pairs()) return straight_floats(rounded(m, room), out);
  kernels_.pack_panels(source_of(m, false), Words::pairs, {0, m.columns, 0, m.rows}, out, depth(m.rows) * 16);
}

void Packer::straight_floats(const Matrix& m, uint32_t* out) const {
  kernels_.pack_panels(source_of(m, false), Words::floats, {0, m.columns, 0, m.rows}, out, m.rows * 16);
}

}  // namespace nuri::cpu
