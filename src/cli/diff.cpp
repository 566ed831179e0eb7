// nuri diff A B: the first differing tensor, the largest difference, equal bits or not.
#include "io/diff.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "cli/verbs.h"

namespace nuri {
namespace {

std::string describe(const TensorDifference& d) {
  using Kind = TensorDifference::Kind;
  switch (d.kind) {
    case Kind::only_in_a:
      return fmt::format("{}: only in A ({})", d.name, d.what);
    case Kind::only_in_b:
      return fmt::format("{}: only in B ({})", d.name, d.what);
    case Kind::shape:
      return fmt::format("{}: shapes {}", d.name, d.what);
    default:
      break;
  }
  return fmt::format("{}: {}, {} of {} elements differ, first at {}, largest |a-b| {:.3g} of largest |a| {:.3g}",
                     d.name, d.what, d.n_different, d.elements, d.first_index, d.largest, d.scale);
}

OrderedJson row(const TensorDifference& d) {
  constexpr const char* kKinds[] = {"only_in_a", "only_in_b", "shape", "type", "values"};
  OrderedJson out;
  out["name"] = d.name;
  out["kind"] = kKinds[static_cast<size_t>(d.kind)];
  out["what"] = d.what;
  out["elements"] = d.elements;
  out["different"] = d.n_different;
  out["first_index"] = d.first_index;
  out["largest"] = std::isfinite(d.largest) ? OrderedJson(d.largest) : OrderedJson("infinite");
  out["scale"] = d.scale;
  return out;
}

/// Of directories that hold one each.
std::vector<std::string> config_lines(const fs::path& a, const fs::path& b) {
  const fs::path left = a / "config.json", right = b / "config.json";
  if (!fs::exists(left) || !fs::exists(right)) return {};
  return diff_configs(read_config(left), read_config(right));
}

void print_text(const ModelDiff& diff, const std::vector<std::string>& configs, bool all) {
  for (const std::string& line : configs) fmt::print("config  {}\n", line);
  if (all) {
    for (const TensorDifference& d : diff.differences) fmt::print("differs {}\n", describe(d));
  } else if (!diff.differences.empty()) {
    fmt::print("first   {}\n", describe(diff.differences[0]));
  }
  if (const TensorDifference* largest = diff.largest()) fmt::print("largest {}\n", describe(*largest));
  const size_t n = diff.differences.size();
  if (n == 0) return fmt::print("equal bits: {} tensors\n", diff.n_tensors);
  fmt::print("different: {} of {} tensors\n", n, diff.n_tensors);
}

void print_json(const ModelDiff& diff, const std::vector<std::string>& configs) {
  OrderedJson out;
  out["equal_bits"] = diff.differences.empty();
  out["tensors"] = diff.n_tensors;
  out["first"] = diff.differences.empty() ? OrderedJson(nullptr) : OrderedJson(diff.differences[0].name);
  out["largest"] = diff.largest() ? row(*diff.largest()) : OrderedJson(nullptr);
  out["config"] = configs;
  out["differences"] = OrderedJson::array();
  for (const TensorDifference& d : diff.differences) out["differences"].push_back(row(d));
  fmt::print("{}", json_text(out));
}

}  // namespace

Action add_diff(Arguments args) {
  auto a = std::make_shared<std::string>(), b = std::make_shared<std::string>();
  auto all = std::make_shared<bool>(false), json = std::make_shared<bool>(false);
  args.option("A", *a, "model directory or .safetensors file").required();
  args.option("B", *b, "model directory or .safetensors file").required();
  args.flag("--all", *all, "print every differing tensor, not the first and the largest difference only");
  args.flag("--json", *json, "print JSON");
  args.footer("Exit code 0: equal bits; 1: different.\nexample: nuri diff run-a run-b");
  return [=] {
    const ModelDiff diff = diff_weights(ModelFiles(*a), ModelFiles(*b));
    const std::vector<std::string> configs = config_lines(*a, *b);
    if (*json) {
      print_json(diff, configs);
    } else {
      print_text(diff, configs, *all);
    }
    return diff.differences.empty() ? kExitOk : kExitDiffers;
  };
}

}  // namespace nuri
