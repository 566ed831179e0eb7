#include "tensor/tensor.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/threads.h"

namespace nuri {
namespace {

constexpr size_t kPieceBytes = 256 << 10;  // of a copy: much more than handing it to a thread costs

/// body(begin, size) over so many bytes, by all threads.
template <class Body>
void in_pieces(size_t bytes, Body body) {
  parallel_ranges(static_cast<int64_t>(bytes), kPieceBytes, [&](int64_t begin, int64_t end) {
    body(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  });
}

}  // namespace

std::string_view dtype_name(DType t) {
  switch (t) {
    case DType::f32:
      return "f32";
    case DType::bf16:
      return "bf16";
    case DType::f16:
      return "f16";
    case DType::f64:
      return "f64";
    case DType::i64:
      return "i64";
    case DType::i32:
      return "i32";
    case DType::u32:
      return "u32";
    case DType::u16:
      return "u16";
    case DType::i16:
      return "i16";
    case DType::i8:
      return "i8";
    case DType::u8:
      return "u8";
    case DType::boolean:
      return "bool";
  }
  return "?";
}

Shape::Shape(std::initializer_list<int64_t> sizes) : Shape(std::span<const int64_t>(sizes.begin(), sizes.size())) {}

Shape::Shape(std::span<const int64_t> sizes) : rank_(static_cast<int>(sizes.size())) {
  NURI_ASSERT(sizes.size() <= kMaxRank, "rank {}", sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) sizes_[i] = sizes[i];
}

int64_t Shape::size() const {
  int64_t n = 1;
  for (int i = 0; i < rank_; ++i) n *= sizes_[static_cast<size_t>(i)];
  return n;
}

std::string Shape::text() const {
  std::string out = "[";
  for (int i = 0; i < rank_; ++i) out += (i ? ", " : "") + std::to_string((*this)[i]);
  return out + "]";
}

uint64_t Tensor::next_id() {
  static std::atomic<uint64_t> counter{0};
  return ++counter;
}

Tensor Tensor::empty(Shape shape, DType dtype, Owner owner) {
  Tensor t;
  t.storage_ = std::make_shared<Storage>(static_cast<size_t>(shape.size()) * dtype_bytes(dtype), owner);
  t.shape_ = shape;
  t.row_stride_ = shape.rank() ? shape[shape.rank() - 1] : 1;
  t.dtype_ = dtype;
  t.id_ = next_id();
  return t;
}

Tensor Tensor::zeros(Shape shape, DType dtype, Owner owner) {
  Tensor t = empty(shape, dtype, owner);
  t.fill_zero();
  return t;
}

Tensor Tensor::from_floats(Shape shape, std::span<const float> values, Owner owner) {
  NURI_ASSERT(shape.size() == static_cast<int64_t>(values.size()));
  Tensor t = empty(shape, DType::f32, owner);
  if (t.raw()) std::memcpy(t.raw(), values.data(), values.size_bytes());
  return t;
}

Tensor Tensor::wrap(std::shared_ptr<Storage> storage, size_t byte_offset, Shape shape, DType dtype) {
  Tensor t;
  NURI_ASSERT(byte_offset + static_cast<size_t>(shape.size()) * dtype_bytes(dtype) <= storage->bytes());
  t.storage_ = std::move(storage);
  t.offset_ = byte_offset;
  t.shape_ = shape;
  t.row_stride_ = shape.rank() ? shape[shape.rank() - 1] : 1;
  t.dtype_ = dtype;
  t.id_ = next_id();
  return t;
}

void* Tensor::raw() const {
  if (!storage_ || !storage_->data()) return nullptr;
  return static_cast<char*>(storage_->data()) + offset_;
}

Tensor Tensor::reshape(Shape shape) const {
  NURI_ASSERT(contiguous() && shape.size() == size(), "reshape {} to {}", shape_.text(), shape.text());
  Tensor t = *this;
  t.shape_ = shape;
  t.row_stride_ = shape.rank() ? shape[shape.rank() - 1] : 1;
  return t;  // keeps its identity: the same elements in the same order
}

Tensor Tensor::rows(int64_t begin, int64_t end) const {
  NURI_ASSERT(shape_.rank() >= 1 && 0 <= begin && begin <= end && end <= shape_[0]);
  std::array<int64_t, Shape::kMaxRank> sizes{};
  int64_t per_row = 1;
  for (int i = 0; i < shape_.rank(); ++i) sizes[static_cast<size_t>(i)] = shape_[i];
  for (int i = 1; i < shape_.rank(); ++i) per_row *= shape_[i];
  if (shape_.rank() == 2) per_row = row_stride_;
  sizes[0] = end - begin;
  Tensor t = *this;
  t.shape_ = Shape(std::span<const int64_t>(sizes.data(), static_cast<size_t>(shape_.rank())));
  if (shape_.rank() == 1) t.row_stride_ = sizes[0];
  t.offset_ += static_cast<size_t>(begin * per_row) * dtype_bytes(dtype_);
  t.id_ = next_id();
  return t;
}

Tensor Tensor::columns(int64_t begin, int64_t end) const {
  NURI_ASSERT(shape_.rank() == 2 && 0 <= begin && begin <= end && end <= shape_[1]);
  Tensor t = *this;
  t.shape_ = Shape{shape_[0], end - begin};
  t.offset_ += static_cast<size_t>(begin) * dtype_bytes(dtype_);
  t.id_ = next_id();
  return t;
}

Tensor Tensor::clone(Owner owner) const {
  Tensor t = empty(shape_, dtype_, owner);
  if (!raw() || !t.raw()) return t;
  char *to = static_cast<char*>(t.raw()), *from = static_cast<char*>(raw());
  if (contiguous()) {
    in_pieces(bytes(), [&](size_t begin, size_t size) { std::memcpy(to + begin, from + begin, size); });
    return t;
  }
  const size_t width = static_cast<size_t>(shape_[1]) * dtype_bytes(dtype_);
  const size_t step = static_cast<size_t>(row_stride_) * dtype_bytes(dtype_);
  parallel_ranges(shape_[0], std::max<int64_t>(1, static_cast<int64_t>(kPieceBytes / std::max<size_t>(width, 1))),
                  [&](int64_t begin, int64_t end) {
                    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
                      std::memcpy(to + i * width, from + i * step, width);
                  });
  return t;
}

void Tensor::fill_zero() const {
  if (!raw()) return;
  if (contiguous()) {
    char* to = static_cast<char*>(raw());
    in_pieces(bytes(), [&](size_t begin, size_t size) { std::memset(to + begin, 0, size); });
    return;
  }
  const size_t width = static_cast<size_t>(shape_[1]) * dtype_bytes(dtype_);
  const size_t step = static_cast<size_t>(row_stride_) * dtype_bytes(dtype_);
  for (int64_t i = 0; i < shape_[0]; ++i)
    std::memset(static_cast<char*>(raw()) + static_cast<size_t>(i) * step, 0, width);
}

void Tensor::expect(Shape shape, const char* what) const {
  bool same = shape.rank() == shape_.rank();
  for (int i = 0; same && i < shape.rank(); ++i) same = shape[i] == -1 || shape[i] == shape_[i];
  NURI_ASSERT(same, "{}: found {}, expected {}", what, shape_.text(), shape.text());
}

}  // namespace nuri
