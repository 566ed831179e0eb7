#include "autograd/weight.h"

#include "base/x1.h"

namespace nuri {

namespace reference {

void pack(const PackArgs& args) {
  PackedMatrix& b = *args.packed;
  const Operand& s = args.source;
  auto at = [&](int64_t k, int64_t n) {
    const int64_t r = s.transposed ? n : k, c = s.transposed ? k : n;
    const int64_t i = (s.rows ? s.rows[r] : r) * s.stride + c;
    if (s.dtype == DType::bf16) return x1::from_bf16(static_cast<const Bf16*>(s.data)[i].bits);
    return static_cast<const float*>(s.data)[i];
  };
  const int64_t panels = (b.n + kPanelColumns - 1) / kPanelColumns;
  if (b.precision == Precision::f32) {
    float* out = static_cast<float*>(b.data);
    for (int64_t p = 0; p < panels; ++p)
      for (int64_t k = 0; k < b.k; ++k)
        for (int64_t j = 0; j < kPanelColumns; ++j) {
          const int64_t n = p * kPanelColumns + j;
          *out++ = n < b.n ? at(k, n) : 0.0f;
        }
    return;
  }
  uint32_t* out = static_cast<uint32_t*>(b.data);
  for (int64_t p = 0; p < panels; ++p)
    for (int64_t k = 0; k < b.k; k += 2)
      for (int64_t j = 0; j < kPanelColumns; ++j) {
        const int64_t n = p * kPanelColumns + j;
        const uint32_t high = n < b.n ? x1::to_bf16(at(k, n)) : 0;
        const uint32_t low = k + 1 >= b.k ? 0x8000u : n < b.n ? x1::to_bf16(at(k + 1, n)) : 0;
        *out++ = high << 16 | low;
      }
}

}  // namespace reference

namespace {

void pack_span(std::span<const PackArgs> items) {
  if (meta_active() || items.empty()) return;
  const Profiled<std::span<const PackArgs>> span(items, kernels().pack == nullptr);
  if (kernels().pack) {
    kernels().pack(items);
    return;
  }
  for (const PackArgs& item : items) reference::pack(item);
}

}  // namespace

Weight::Weight(std::vector<Part> parts, DType dtype, bool trainable, int uses) {
  NURI_ASSERT(!parts.empty());
  const bool matrix = parts[0].shape.rank() == 2;
  int64_t rows = 0;
  for (const Part& part : parts) rows += part.shape[0];
  const Shape shape = matrix ? Shape{rows, parts[0].shape[1]} : Shape{rows};
  shape_ = shape;
  value = Tensor::empty(shape, dtype, Owner::weights);
  if (trainable) {
    master = dtype == DType::f32 ? value : Tensor::empty(shape, DType::f32, Owner::weights);
    for (int i = 0; i < uses; ++i) grads.push_back(Tensor::zeros(shape, DType::f32, Owner::gradients));
  }
  int64_t begin = 0;
  for (Part& part : parts) {
    const int64_t end = begin + part.shape[0];
    Parameter p;
    p.name = std::move(part.name);
    p.value = value.rows(begin, end);
    p.matrix = matrix;
    if (trainable) {
      p.master = dtype == DType::f32 ? p.value : master.rows(begin, end);
      for (const Tensor& grad : grads) p.grads.push_back(grad.rows(begin, end));
    }
    parameters.push_back(std::move(p));
    begin = end;
  }
}

void Weight::restart_chains() { begun_.assign(grads.size(), 0); }

bool Weight::continue_chain(int use) {
  const auto u = static_cast<size_t>(use);
  const bool begun = u >= begun_.size() || begun_[u];
  if (!begun) begun_[u] = 1;
  return begun;
}

const Tensor& Weight::chain(int use) {
  const Tensor& grad = grads[static_cast<size_t>(use)];
  if (!continue_chain(use)) grad.fill_zero();
  return grad;
}

void Weight::finish_chains() {
  for (size_t use = 0; use < grads.size(); ++use) (void)chain(static_cast<int>(use));
}

void Weight::invalidate() {
  for (auto& p : packed_) p->valid = false;
}

Weight::Packed& Weight::slot(Precision precision, int64_t begin, int64_t end, bool transposed) {
  for (auto& p : packed_)
    if (p->begin == begin && p->end == end && p->transposed == transposed && p->matrix.precision == precision)
      return *p;
  auto p = std::make_unique<Packed>();
  p->begin = begin, p->end = end, p->transposed = transposed;
  p->matrix.precision = precision;
  p->matrix.k = transposed ? in() : end - begin;
  p->matrix.n = transposed ? end - begin : in();
  const int64_t words = static_cast<int64_t>(packed_bytes(precision, p->matrix.k, p->matrix.n) / 4);
  p->memory = Tensor::empty({words}, DType::u32, Owner::packed_weights);
  p->matrix.data = p->memory.raw();
  packed_.push_back(std::move(p));
  return *packed_.back();
}

namespace {

PackArgs pack_args(const Tensor& value, int64_t begin, bool transposed, PackedMatrix& matrix) {
  const Operand source{value.rows(begin, value.dim(0)).raw(), value.dtype(), value.row_stride(), transposed, nullptr};
  return {source, &matrix};
}

}  // namespace

const PackedMatrix& Weight::packed_rows(Precision precision, int64_t begin, int64_t end, bool transposed) {
  Packed& p = slot(precision, begin, end, transposed);
  if (!p.valid) {
    const PackArgs args = pack_args(value, begin, transposed, p.matrix);
    pack_span({&args, 1});
    p.valid = true;
  }
  return p.matrix;
}

const PackedMatrix& Weight::packed_forward(Precision precision) { return packed_rows(precision, 0, out(), true); }
const PackedMatrix& Weight::packed_backward(Precision precision) { return packed_rows(precision, 0, out(), false); }

bool Weight::parts_begin_panels() const {
  int64_t begin = 0;
  for (const Parameter& p : parameters) {
    if (begin % kPanelColumns != 0) return false;
    begin += p.value.dim(0);
  }
  return true;
}

void Weight::pack_from(std::span<const Source> sources, Precision precision) {
  std::vector<PackedMatrix> parts;  // columns of the packed matrices: where PackArgs points
  std::vector<PackArgs> items;
  size_t n_parts = 0;
  for (const Source& source : sources) n_parts += source.parts.size();
  parts.reserve(n_parts);
  for (const Source& source : sources) {
    Packed& whole = source.weight->slot(precision, 0, source.weight->out(), true);
    int64_t column = 0;
    for (size_t i = 0; i < source.parts.size(); ++i) {
      NURI_ASSERT(column % kPanelColumns == 0);
      std::byte* data = static_cast<std::byte*>(whole.matrix.data) + packed_bytes(precision, whole.matrix.k, column);
      parts.push_back({precision, whole.matrix.k, source.rows[i], data});
      items.push_back({source.parts[i], &parts.back()});
      column += source.rows[i];
    }
    NURI_ASSERT(column == source.weight->out());
    whole.valid = true;
  }
  pack_span(items);
}

void Weight::drop_values() {
  NURI_ASSERT(!trainable());
  value = {};
  for (Parameter& p : parameters) p.value = {};
}

void Weight::pack_all(std::span<Weight* const> weights, Precision precision, bool forward) {
  std::vector<PackArgs> missing;
  for (Weight* w : weights) {
    Packed& p = w->slot(precision, 0, w->out(), forward);
    if (p.valid) continue;
    missing.push_back(pack_args(w->value, 0, forward, p.matrix));
    p.valid = true;
  }
  pack_span(missing);
}

}  // namespace nuri
