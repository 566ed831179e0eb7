#include "plan/cells.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace nuri::plan {
namespace {

std::string trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return std::string(text);
}

/// "q1536/kv512/nope128/rope64/v128"
void read_latent(std::string_view text, AttentionShape& a) {
  a.latent = true;
  while (!text.empty()) {
    const size_t end = std::min(text.find('/'), text.size());
    std::string_view part = text.substr(0, end);
    const size_t digit = std::min(part.find_first_of("0123456789"), part.size());
    const std::string_view name = part.substr(0, digit);
    const int64_t value = leading(part.substr(digit), 0);
    if (name == "q") a.q_lora_rank = value;
    if (name == "kv") a.kv_lora_rank = value;
    if (name == "nope") a.qk_nope_head_dim = value;
    if (name == "rope") a.qk_rope_head_dim = value;
    if (name == "v") a.v_head_dim = value;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

Pairs pairs_of(std::string_view text) {
  Pairs out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(';'), text.size());
    const std::string_view part = text.substr(0, end);
    const size_t equal = part.find('=');
    out[trim(part.substr(0, equal))] = equal == part.npos ? "" : trim(part.substr(equal + 1));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

int64_t leading(std::string_view text, int64_t fallback) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && value >= 0 && value <= 1'000'000'000 ? value : fallback;
}
int64_t number(const Pairs& p, std::string_view key, int64_t fallback) {
  const auto found = p.find(key);
  return found == p.end() ? fallback : leading(found->second, fallback);
}

std::optional<ModelShape> shape_of_cell(const std::string& cell, std::string& missing,
                                        std::vector<std::string>& assumed) {
  const Pairs p = pairs_of(cell);
  ModelShape s;
  s.family = p.count("type") ? p.at("type") : "";
  if (s.family.find("hybrid") != std::string::npos) {
    missing = "a transformer (layers are hybrid)";
    return {};
  }
  s.n_layers = number(p, "L", 0);
  s.d_model = number(p, "d", 0);
  s.vocab_size = number(p, "vocab", 0);
  s.attention.n_heads = number(p, "h", 0);
  if (s.attention.n_heads == 0 && s.d_model % 128 == 0) {
    s.attention.n_heads = s.d_model / 128;
    assumed.emplace_back("heads of 128");
  }
  for (const auto& [value, name] : {std::pair{s.n_layers, "layers"},
                                    {s.d_model, "width"},
                                    {s.attention.n_heads, "heads"},
                                    {s.vocab_size, "vocabulary"}})
    if (value <= 0) missing = std::string("architecture: ") + name;
  if (!missing.empty()) return {};
  AttentionShape& a = s.attention;
  a.n_kv_heads = std::max<int64_t>(1, number(p, "kv", a.n_heads));
  a.head_dim = number(p, "head_dim", s.d_model / a.n_heads);
  if (const auto latent = p.find("mla"); latent != p.end()) read_latent(latent->second, a);
  const std::string ffn = p.count("ffn") ? p.at("ffn") : "";
  s.mlp.gated = ffn != "gelu" && ffn != "relu2" && ffn != "relu";
  s.mlp.width = number(p, "ff", number(p, "dense_ff", 0));
  if (const auto factor = p.find("ffn_dim_multiplier"); s.mlp.width == 0 && factor != p.end()) {
    // Llama's rule: two thirds of 4 d, times the factor, up to a multiple of 1,024.
    double times = 0;
    std::from_chars(factor->second.data(), factor->second.data() + factor->second.size(), times);
    const double width = std::floor(std::floor(8.0 * static_cast<double>(s.d_model) / 3) * times);
    if (width > 0 && width < 1e8) s.mlp.width = static_cast<int64_t>(std::ceil(width / 1024)) * 1024;
  }
  s.tied = number(p, "tied", 0) == 1;
  s.n_mtp_layers = number(p, "mtp", 0);
  if (const auto experts = p.find("experts"); experts != p.end()) {
    ExpertsShape& e = s.experts;
    e.n_routed = leading(experts->second, 0);
    e.n_active = std::min(number(p, "topk", 1), e.n_routed);
    e.expert.gated = s.mlp.gated;
    e.expert.width = number(p, "moe_ff", number(p, "ff", 0));
    const size_t plus = experts->second.find('+');
    if (plus != std::string::npos)
      e.shared.width = leading(std::string_view(experts->second).substr(plus + 1), 0) * e.expert.width;
    e.shared.gated = e.expert.gated;
    const int64_t dense = number(p, "dense_layers", 0), every = std::max<int64_t>(1, number(p, "moe_every", 1));
    s.n_moe_layers = std::max<int64_t>(0, (s.n_layers - dense) / every);
    if (e.expert.width <= 0) missing = "architecture: width of the experts";
    if (s.mlp.width == 0 && s.n_moe_layers < s.n_layers && s.n_moe_layers > 0) {
      s.mlp.width = e.n_active * e.expert.width + e.shared.width;
      assumed.emplace_back("dense layers as wide as the experts a token takes");
    }
  }
  if (s.n_moe_layers < s.n_layers && s.mlp.width <= 0) missing = "architecture: width of the MLP";
  if (a.key_dim() <= 0 || a.value_dim() <= 0) missing = "architecture: width of a head";
  if (a.latent && a.kv_lora_rank <= 0) missing = "architecture: width of the latent";
  if (s.n_moe_layers > 0 && s.experts.n_active <= 0) missing = "architecture: experts of a token";
  if (!missing.empty()) return {};
  return s;
}

}  // namespace nuri::plan
