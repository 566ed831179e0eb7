#include "optim/layer_norms.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "base/x1.h"
#include "ops/axpby.h"
#include "ops/square_sum.h"

namespace nuri {
namespace {

constexpr int64_t kBlock = 4096, kPiece = 64, kHop = 37;  // odd: 64 blocks visit each of 64 places

}  // namespace

size_t layer_group(const std::string& name, int64_t n_blocks) {
  constexpr std::string_view kLayers = "model.layers.";
  if (name.starts_with("model.embed_tokens.")) return 0;
  if (!name.starts_with(kLayers)) return static_cast<size_t>(n_blocks + 1);
  int64_t block = 0;
  const char* const end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + kLayers.size(), end, block);
  NURI_ASSERT(error == std::errc() && rest != end && block >= 0 && block < n_blocks, "{}", name);
  return static_cast<size_t>(block + 1);
}

LayerNorms::LayerNorms(std::span<Parameter* const> parameters, int64_t n_blocks) : n_groups_(n_blocks + 2) {
  for (const Parameter* p : parameters) group_of_.push_back(layer_group(p->name, n_blocks));
  int64_t n = 0;
  for (size_t group = 0; group < static_cast<size_t>(n_groups_); ++group) {
    first_.push_back(n);
    for (size_t i = 0; i < parameters.size(); ++i) {
      if (group_of_[i] != group || !parameters[i]->matrix) continue;
      const int64_t size = parameters[i]->value.size();
      for (int64_t block = 0; block * kBlock < size; ++block) {
        const int64_t left = std::min(kBlock, size - block * kBlock), places = std::max<int64_t>(1, left / kPiece);
        const int64_t begin = block * kBlock + block * kHop % places * kPiece, count = std::min(kPiece, left);
        pieces_.push_back({parameters[i], begin, count, n});
        n += count;
      }
    }
  }
  first_.push_back(n);
  before_ = Tensor::zeros({n}, DType::f32, Owner::optimizer);
  after_ = Tensor::zeros({n}, DType::f32, Owner::optimizer);
}

std::vector<double> LayerNorms::gradient_norms(std::span<const double> square_sums) const {
  NURI_ASSERT(square_sums.size() == group_of_.size());
  std::vector<double> out(static_cast<size_t>(n_groups_), 0.0);
  for (size_t i = 0; i < square_sums.size(); ++i) out[group_of_[i]] += square_sums[i];
  for (double& norm : out) norm = x1::sqrt(norm);
  return out;
}

void LayerNorms::take(const Tensor& sample) const {
  if (meta_active()) return;
  parallel_ranges(static_cast<int64_t>(pieces_.size()), 256, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces_[static_cast<size_t>(i)];
      std::memcpy(sample.data<float>() + piece.at, piece.parameter->master.data<float>() + piece.begin,
                  static_cast<size_t>(piece.count) * sizeof(float));
    }
  });
}

void LayerNorms::before() { take(before_); }

std::vector<double> LayerNorms::updates() {
  take(after_);
  axpby({after_.size(), 1, after_.data<float>(), -1, before_.data<float>(), after_.data<float>()});
  std::vector<double> out;
  for (size_t group = 0; group + 1 < first_.size(); ++group) {
    const double weight = square_sum(before_.rows(first_[group], first_[group + 1]));
    const double change = square_sum(after_.rows(first_[group], first_[group + 1]));
    out.push_back(weight > 0 ? x1::sqrt(change / weight) : 0.0);
  }
  return out;
}

}  // namespace nuri
