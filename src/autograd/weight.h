// Weights: stored parameters, their gradients, and the packed forms that products read.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/kernels.h"
#include "tensor/tensor.h"

namespace nuri {

/// One named parameter: rows of a Weight, under its released name.
struct Parameter {
  std::string name;
  Tensor value;               ///< what the forward reads: f32 or bf16
  Tensor master;              ///< f32; the same tensor as value where value is f32; undefined in inference
  std::vector<Tensor> grads;  ///< f32, one chain per use, added in this order once per step; empty when frozen
  bool matrix = false;        ///< two or more dimensions: weight decay applies
};

/// How a model's forward reads a matrix: decides what a model that only serves keeps of it.
enum class Reads : uint8_t {
  product,      ///< packed, in the model's precision
  product_f32,  ///< packed, in FP32 whatever the model's precision (router)
  rows,         ///< packed whole, or rows apart in absorbed MLA
  lookup        ///< as it is stored (embedding)
};

/// A matrix [out, in] or vector [n] of one or several stacked parts (gate and up of an MLP, q_a and kv_a of MLA), so
/// that parts that read the same input are one product. `value` is what the forward reads, `master` what the optimizer
/// changes; in an FP32 run they are the same memory.
class Weight {
 public:
  struct Part {
    std::string name;
    Shape shape;  ///< rows of all parts add up; the widths are equal
  };
  /// Memory for the parts; values are undefined until loaded or initialised. uses: gradient chains (0: inference).
  Weight(std::vector<Part> parts, DType dtype, bool trainable, int uses = 1);
  Weight() = default;

  Tensor value, master;
  std::vector<Tensor> grads;  ///< [out, in] per use
  std::vector<Parameter> parameters;
  Reads reads = Reads::product;  ///< of a matrix

  int64_t out() const { return shape_[0]; }
  int64_t in() const { return shape_[1]; }
  bool trainable() const { return !grads.empty(); }

  /// A step begins: what grads hold is of the past. Its first product writes a chain instead of adding to it, so that
  /// gradients need no pass of zeros. (New weights have begun chains of zeros.)
  void restart_chains();
  /// Whether the chain of a use has begun in this step (then it is continued); it has after the call.
  bool continue_chain(int use);
  /// The chain of a use, to be added to: zeros where it had not begun.
  const Tensor& chain(int use);
  /// The step's gradients are made: chains that nothing reached become zeros.
  void finish_chains();

  /// After the value changed: packed forms are made again at their next use.
  void invalidate();
  /// B = W^T [in, out] for y = x W^T; B = W [out, in] for dx = dy W.
  const PackedMatrix& packed_forward(Precision precision);
  const PackedMatrix& packed_backward(Precision precision);
  /// Columns [begin, end) of W^T or a part of W in another orientation: B = W[begin:end, :] [end-begin, in] (transposed
  /// false) or its transpose [in, end-begin]. Cached per (begin, end, transposed). For the per-head products of MLA.
  const PackedMatrix& packed_rows(Precision precision, int64_t begin, int64_t end, bool transposed);

  /// Where the values of a matrix lie: rows [rows, in] of each of its parts, or of all together.
  struct Source {
    Weight* weight = nullptr;
    std::vector<Operand> parts;  ///< each "transposed", as W^T [in, rows] for y = x W^T
    std::vector<int64_t> rows;
  };
  /// Whether the parts can be packed one by one: each begins with a panel.
  bool parts_begin_panels() const;
  /// Packs the forms that forward products read from elsewhere, in one parallel region. REQUIRES: one part, or
  /// parts_begin_panels().
  static void pack_from(std::span<const Source> sources, Precision precision);
  /// Gives up the values; packed forms stay. Nothing but products may read the weight afterwards.
  void drop_values();

  /// Packs the missing forms of many weights in one parallel region.
  static void pack_all(std::span<Weight* const> weights, Precision precision, bool forward);

 private:
  struct Packed {
    int64_t begin, end;
    bool transposed;
    Tensor memory;
    PackedMatrix matrix;
    bool valid = false;
  };
  Packed& slot(Precision precision, int64_t begin, int64_t end, bool transposed);
  Shape shape_;
  std::vector<std::unique_ptr<Packed>> packed_;
  std::vector<uint8_t> begun_;  // by use
};

namespace reference {
/// The packed format by its definition (kernels.h), element by element.
void pack(const PackArgs& args);
}  // namespace reference

}  // namespace nuri
