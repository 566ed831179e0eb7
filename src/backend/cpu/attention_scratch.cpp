#include "backend/cpu/attention_scratch.h"

namespace nuri::cpu {
namespace {

PackSource source_of(const PackMatrix& m, bool k_contiguous) {
  return {.data = m.data,
          .bf16 = m.bf16,
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
      products_(pick(portable::product_kernels, avx2::product_kernels, avx512::product_kernels,
                     avx512_bf16::product_kernels)),
      kernels_(attention_level()) {}

void Packer::rows(const PackMatrix& m, uint32_t* out, int64_t stride) const {
  if (pairs()) return kernels_.pack_rows(m, out, stride);
  products_.pack_rows(source_of(m, true), words_, {0, m.rows, 0, m.columns}, out, stride);
}

PackMatrix Packer::rounded(const PackMatrix& m, float* room) const {
  if (words_ != Words::rounded || m.bf16) return m;
  const int64_t stride = round_up_16(m.columns);
  rows(m, reinterpret_cast<uint32_t*>(room), stride);
  return {.data = room, .bf16 = false, .stride = stride, .rows = m.rows, .columns = m.columns};
}

void Packer::turned(const PackMatrix& m, uint32_t* out, float* room) const {
  if (pairs()) return kernels_.pack_turned(m, out);
  products_.pack_panels(source_of(rounded(m, room), true), Words::floats, {0, m.rows, 0, m.columns}, out,
                        m.columns * 16);
}

void Packer::straight(const PackMatrix& m, uint32_t* out, float* room) const {
  if (pairs()) return kernels_.pack_straight(m, out);
  straight_floats(rounded(m, room), out);
}

void Packer::straight_floats(const PackMatrix& m, uint32_t* out) const {
  products_.pack_panels(source_of(m, false), Words::floats, {0, m.columns, 0, m.rows}, out, m.rows * 16);
}

}  // namespace nuri::cpu
