#include "io/diff.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace nuri {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

constexpr int64_t kBlock = 1 << 16;  // elements widened at a time

bool floating(const FileType& type) { return convertible(type, DType::f32); }

/// Widens blocks of both sides and compares them.
void compare_values(const std::byte* a, const FileType& a_type, const std::byte* b, const FileType& b_type,
                    TensorDifference& out) {
  std::vector<float> x(static_cast<size_t>(std::min(kBlock, out.elements))), y(x.size());
  for (int64_t begin = 0; begin < out.elements; begin += kBlock) {
    const int64_t n = std::min(kBlock, out.elements - begin);
    convert_elements(a + static_cast<size_t>(begin) * a_type.bytes, a_type, n, DType::f32, x.data());
    convert_elements(b + static_cast<size_t>(begin) * b_type.bytes, b_type, n, DType::f32, y.data());
    for (int64_t i = 0; i < n; ++i) {
      const float u = x[static_cast<size_t>(i)], v = y[static_cast<size_t>(i)];
      if (std::isfinite(u)) out.scale = std::max(out.scale, std::fabs(static_cast<double>(u)));
      if (std::memcmp(&u, &v, sizeof u) == 0) continue;
      if (out.n_different++ == 0) out.first_index = begin + i;
      const double difference = std::fabs(static_cast<double>(u) - static_cast<double>(v));
      out.largest = std::max(out.largest, std::isnan(difference) ? HUGE_VAL : difference);
    }
  }
}

void compare_bytes(std::span<const std::byte> a, std::span<const std::byte> b, size_t element_bytes,
                   TensorDifference& out) {
  for (int64_t i = 0; i < out.elements; ++i) {
    const size_t at = static_cast<size_t>(i) * element_bytes;
    if (std::memcmp(a.data() + at, b.data() + at, element_bytes) == 0) continue;
    if (out.n_different++ == 0) out.first_index = i;
  }
}

/// Whether the tensors differ; fills `out`.
bool differ(const std::string& name, const ModelFiles& a, const ModelFiles& b, TensorDifference& out) {
  using Kind = TensorDifference::Kind;
  const TensorEntry *x = a.find(name), *y = b.find(name);
  out.name = name;
  if (!x || !y) {
    const TensorEntry& only = x ? *x : *y;
    out.kind = x ? Kind::only_in_a : Kind::only_in_b;
    out.what = fmt::format("{} {}", only.type->name, shape_text(only.shape));
    return true;
  }
  if (x->shape != y->shape) {
    out.kind = Kind::shape;
    out.what = fmt::format("{}, {}", shape_text(x->shape), shape_text(y->shape));
    return true;
  }
  const auto p = a.data(name), q = b.data(name);
  const bool same_type = x->type == y->type;
  if (same_type && std::equal(p.begin(), p.end(), q.begin(), q.end())) return false;
  out.kind = same_type ? Kind::values : Kind::type;
  out.what = same_type ? std::string(x->type->name) : fmt::format("{}, {}", x->type->name, y->type->name);
  out.elements = x->elements();
  if (floating(*x->type) && floating(*y->type)) {
    compare_values(p.data(), *x->type, q.data(), *y->type, out);
  } else if (same_type) {
    compare_bytes(p, q, x->type->bytes, out);
  }
  return true;
}

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (digit(a[i]) && digit(b[j])) {
      const auto number = [](std::string_view text, size_t& at) {  // without leading zeros
        while (at < text.size() && text[at] == '0') ++at;
        const size_t start = at;
        while (at < text.size() && digit(text[at])) ++at;
        return text.substr(start, at - start);
      };
      const std::string_view m = number(a, i), n = number(b, j);
      if (m.size() != n.size()) return m.size() < n.size();
      if (m != n) return m < n;
    } else {
      if (a[i] != b[j]) return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
      ++i;
      ++j;
    }
  }
  if (a.size() - i != b.size() - j) return a.size() - i < b.size() - j;
  return a < b;
}

const TensorDifference* ModelDiff::largest() const {
  const auto size = [](const TensorDifference& d) { return d.scale > 0 ? d.largest / d.scale : d.largest; };
  const TensorDifference* best = nullptr;
  for (const TensorDifference& d : differences) {
    if (d.n_different > 0 && (!best || size(d) > size(*best))) best = &d;
  }
  return best;
}

ModelDiff diff_weights(const ModelFiles& a, const ModelFiles& b) {
  std::vector<std::string> names = a.names();
  for (const std::string& name : b.names()) {
    if (!a.find(name)) names.push_back(name);
  }
  std::sort(names.begin(), names.end(), natural_less);
  ModelDiff out;
  out.n_tensors = static_cast<int64_t>(names.size());
  for (const std::string& name : names) {
    TensorDifference difference;
    if (differ(name, a, b, difference)) out.differences.push_back(std::move(difference));
  }
  return out;
}

std::vector<std::string> diff_configs(const DeepseekV3Config& a, const DeepseekV3Config& b) {
  std::vector<std::string> left, out;
  DeepseekV3Config::visit(a, [&](const FieldInfo&, const auto& field) { left.push_back(fmt::format("{}", field)); });
  size_t i = 0;
  DeepseekV3Config::visit(b, [&](const FieldInfo& info, const auto& field) {
    const std::string right = fmt::format("{}", field);
    if (left[i] != right) out.push_back(fmt::format("{}: {}, {}", info.name, left[i], right));
    ++i;
  });
  if (a.dtype != b.dtype) out.push_back(fmt::format("dtype: {}, {}", a.dtype, b.dtype));
  if (a.rope != b.rope) out.push_back("rope: different");
  if (a.bos_id != b.bos_id || a.eos_ids != b.eos_ids) out.push_back("bos and eos ids: different");
  return out;
}

}  // namespace nuri
