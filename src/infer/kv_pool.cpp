#include "infer/kv_pool.h"

#include <cstring>
#include <utility>

#include "nn/mla.h"

namespace nuri {
namespace {

int64_t layer_page_bytes(const DeepseekV3Config& c, MlaForm form, DType dtype) {
  const int64_t bytes = Mla::key_page(c, form, dtype).elements * static_cast<int64_t>(dtype_bytes(dtype));
  return (bytes + 63) / 64 * 64;
}

}  // namespace

int64_t KvPool::page_bytes(const DeepseekV3Config& c, MlaForm form, DType dtype) {
  return layer_page_bytes(c, form, dtype) * c.n_layers;
}

KvPool::KvPool(const DeepseekV3Config& c, MlaForm form, DType dtype, int64_t n_pages) : n_pages_(n_pages) {
  NURI_CHECK(n_pages >= 1, "the cache needs at least one page of {} tokens", kKeyBlock);
  const int64_t per_layer = layer_page_bytes(c, form, dtype);
  memory_ = Tensor::zeros({c.n_layers * n_pages * per_layer}, DType::u8, Owner::kv_cache);
  for (int64_t layer = 0; layer < c.n_layers; ++layer) {
    LayerPages p;
    p.base = reinterpret_cast<std::byte*>(memory_.raw()) + layer * n_pages * per_layer;
    p.page_bytes = per_layer;
    p.page = Mla::key_page(c, form, dtype);
    layers_.push_back(p);
  }
  for (int64_t page = n_pages; page-- > 0;) free_.push_back(static_cast<int32_t>(page));
  owners_.resize(static_cast<size_t>(n_pages));
}

int32_t KvPool::take() {
  NURI_CHECK(!free_.empty(),
             "the key-value cache is full ({} pages of {} tokens); allow more with --cache-tokens, or "
             "use shorter or fewer sequences",
             n_pages_, kKeyBlock);
  const int32_t page = free_.back();
  free_.pop_back();
  owners_[static_cast<size_t>(page)] = 1;
  return page;
}

void KvPool::share(int32_t page) { ++owners_[static_cast<size_t>(page)]; }

void KvPool::give_back(int32_t page) {
  if (--owners_[static_cast<size_t>(page)] == 0) free_.push_back(page);
}

int32_t KvPool::copy(int32_t page) {
  const int32_t other = take();
  for (const LayerPages& layer : layers_)
    std::memcpy(layer.at(other), layer.at(page), static_cast<size_t>(layer.page_bytes));
  return other;
}

void KvPool::set_free_order(std::vector<int32_t> order) {
  NURI_ASSERT(order.size() == free_.size());
  free_ = std::move(order);
}

void KvPool::poison(uint8_t byte) { std::memset(memory_.raw(), byte, memory_.bytes()); }

KvSequence::KvSequence(KvSequence&& other) noexcept
    : pool_(other.pool_), pages_(std::exchange(other.pages_, {})), length_(std::exchange(other.length_, 0)) {}

KvSequence& KvSequence::operator=(KvSequence&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(pages_, other.pages_);
  std::swap(length_, other.length_);
  return *this;
}

KvSequence KvSequence::fork() const {
  KvSequence out(*pool_);
  const int64_t whole = length_ / kKeyBlock;
  for (int64_t i = 0; i < whole; ++i) {
    out.pages_.push_back(pages_[static_cast<size_t>(i)]);
    pool_->share(out.pages_.back());
  }
  if (length_ % kKeyBlock > 0) out.pages_.push_back(pool_->copy(pages_[static_cast<size_t>(whole)]));
  out.length_ = length_;
  return out;
}

int64_t KvSequence::pages_needed(int64_t n) const {
  return (length_ + n + kKeyBlock - 1) / kKeyBlock - static_cast<int64_t>(pages_.size());
}

void KvSequence::reserve(int64_t n) {
  for (int64_t i = pages_needed(n); i > 0; --i) pages_.push_back(pool_->take());
}

void KvSequence::clear() {
  for (int32_t page : pages_) pool_->give_back(page);
  pages_.clear();
  length_ = 0;
}

}  // namespace nuri
