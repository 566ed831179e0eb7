// Tensor: a shape, strides and shared storage. No arithmetic here.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "tensor/dtype.h"
#include "tensor/memory.h"

namespace nuri {

/// Up to four sizes.
class Shape {
 public:
  static constexpr int kMaxRank = 4;
  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes);
  explicit Shape(std::span<const int64_t> sizes);
  int rank() const { return rank_; }
  int64_t operator[](int i) const { return sizes_[static_cast<size_t>(i)]; }
  int64_t size() const;  ///< product of the sizes; 1 for rank 0
  bool operator==(const Shape& other) const = default;
  std::string text() const;  ///< "[2, 37, 211]"

 private:
  std::array<int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};

/// Bytes with an owner; freed (into the cache of memory.h) with the last tensor that views them.
class Storage {
 public:
  Storage(size_t bytes, Owner owner) : bytes_(bytes), owner_(owner), data_(allocate(bytes, owner)) {}
  /// Bytes of somebody else (a mapped file); `keeper` keeps them alive.
  Storage(void* data, size_t bytes, std::shared_ptr<const void> keeper)
      : bytes_(bytes), owner_(Owner::count), data_(data), keeper_(std::move(keeper)) {}
  ~Storage() {
    if (owner_ != Owner::count) release(data_, bytes_, owner_);
  }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_;
  Owner owner_;
  void* data_;
  std::shared_ptr<const void> keeper_;
};

/// A view of storage. Copying copies the view. Rows (the last axis) are contiguous; a tensor of rank 2 may have a row
/// stride larger than its width (a slice of columns); all others are contiguous.
class Tensor {
 public:
  Tensor() = default;
  static Tensor empty(Shape shape, DType dtype = DType::f32, Owner owner = Owner::activations);
  static Tensor zeros(Shape shape, DType dtype = DType::f32, Owner owner = Owner::activations);
  static Tensor from_floats(Shape shape, std::span<const float> values, Owner owner = Owner::activations);
  static Tensor wrap(std::shared_ptr<Storage> storage, size_t byte_offset, Shape shape, DType dtype);

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int64_t dim(int i) const { return shape_[i]; }
  int64_t size() const { return shape_.size(); }
  int64_t row_stride() const { return row_stride_; }  ///< elements between rows; equals the width when contiguous
  bool contiguous() const { return shape_.rank() < 2 || row_stride_ == shape_[shape_.rank() - 1]; }
  DType dtype() const { return dtype_; }
  size_t bytes() const { return static_cast<size_t>(size()) * dtype_bytes(dtype_); }

  void* raw() const;
  /// Typed pointer to the first element; the type must be the tensor's.
  template <class T>
  T* data() const {
    NURI_ASSERT(DTypeOf<T>::value == dtype_, "tensor is {}", dtype_name(dtype_));
    return static_cast<T*>(raw());
  }
  template <class T>
  std::span<T> span() const {
    NURI_ASSERT(contiguous());
    return {data<T>(), static_cast<size_t>(size())};
  }

  /// Other sizes over the same contiguous elements.
  Tensor reshape(Shape shape) const;
  /// Rows [begin, end) of the first axis.
  Tensor rows(int64_t begin, int64_t end) const;
  /// Columns [begin, end) of a tensor of rank 2.
  Tensor columns(int64_t begin, int64_t end) const;
  Tensor clone(Owner owner = Owner::activations) const;
  void fill_zero() const;

  /// No other tensor views this storage.
  bool unshared() const { return storage_.use_count() == 1; }

  /// Asserts the shape; `what` names the tensor and its axes ("rmsnorm x [n_tokens, d_model]"). -1 matches any size.
  void expect(Shape shape, const char* what) const;

  /// Identity on the tape: the same for copies of this tensor object, different for each new tensor or view.
  uint64_t id() const { return id_; }
  /// From now on the same value on the tape as `other`: another type of the same numbers.
  void take_identity(const Tensor& other) { id_ = other.id_; }

 private:
  static uint64_t next_id();
  std::shared_ptr<Storage> storage_;
  size_t offset_ = 0;  // bytes
  Shape shape_;
  int64_t row_stride_ = 0;
  DType dtype_ = DType::f32;
  uint64_t id_ = 0;
};

}  // namespace nuri
