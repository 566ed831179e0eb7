#include "arch/rope_config.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace nuri {
namespace {

constexpr double kMaxTheta = 1e12, kMaxFactor = 1e6, kMaxBeta = 1e6, kMaxScale = 100;
constexpr int64_t kMaxPosition = int64_t(1) << 28;

std::string kind_of(const JsonObject& rope) {
  const std::string kind = rope.given("rope_type") ? rope.text("rope_type") : rope.text_or("type", "default");
  if (rope.given("rope_type") && rope.given("type")) {
    NURI_CHECK(rope.text("type") == kind, "{}: rope_type is \"{}\" but type is \"{}\"; remove one of them",
               rope.where(), kind, rope.text("type"));
  }
  return kind;
}

YarnConfig parse_yarn(const JsonObject& rope, int64_t max_seq_len) {
  YarnConfig yarn;
  yarn.factor = rope.number("factor", 1, kMaxFactor);
  yarn.original_max_position = rope.given("original_max_position_embeddings")
                                   ? rope.integer("original_max_position_embeddings", 1, kMaxPosition)
                                   : max_seq_len;
  const auto optional = [&](std::string_view key, double fallback, double min, double max) {
    return rope.given(key) ? rope.number(key, min, max) : fallback;
  };
  yarn.beta_fast = optional("beta_fast", 32, 1e-6, kMaxBeta);
  yarn.beta_slow = optional("beta_slow", 1, 1e-6, kMaxBeta);
  yarn.mscale = optional("mscale", 0, 0, kMaxScale);
  yarn.mscale_all_dim = optional("mscale_all_dim", 0, 0, kMaxScale);
  if (rope.given("attention_factor")) yarn.attention_factor = rope.number("attention_factor", 1e-6, kMaxScale);
  NURI_CHECK(yarn.beta_fast >= yarn.beta_slow, "{}: beta_fast = {} is below beta_slow = {}; exchange them",
             rope.where(), yarn.beta_fast, yarn.beta_slow);
  NURI_CHECK(!rope.given("truncate") || rope.boolean("truncate"),
             "{}: truncate: found false; only true (bounds of the ramp rounded to whole pairs) is supported",
             rope.where());
  return yarn;
}

/// Kind and parameters of one rope object into `rope`.
void parse_scaling(const JsonObject& object, int64_t max_seq_len, RopeConfig& rope) {
  const std::string kind = kind_of(object);
  NURI_CHECK(kind == "default" || kind == "yarn",
             "{}: rope_type: found \"{}\"; \"default\" and \"yarn\" are supported for this architecture",
             object.where(), kind);
  if (kind == "yarn") rope.yarn = parse_yarn(object, max_seq_len);
}

}  // namespace

RopeConfig parse_rope(const JsonObject& config, int64_t max_seq_len) {
  RopeConfig rope;
  if (config.given("rope_theta")) rope.theta = config.number("rope_theta", 2, kMaxTheta);
  if (config.given("rope_interleave")) rope.interleaved = config.boolean("rope_interleave");
  if (config.given("rope_scaling")) parse_scaling(config.object("rope_scaling"), max_seq_len, rope);
  if (!config.given("rope_parameters")) return rope;

  const JsonObject merged = config.object("rope_parameters");
  RopeConfig newer = rope;
  newer.yarn.reset();
  if (merged.given("rope_theta")) newer.theta = merged.number("rope_theta", 2, kMaxTheta);
  parse_scaling(merged, max_seq_len, newer);
  NURI_CHECK(!config.given("rope_scaling") || newer == rope,
             "{}: rope_parameters and rope_scaling (with rope_theta) say different things; keep one of them",
             config.where());
  return newer;
}

void write_rope(const RopeConfig& rope, OrderedJson& config) {
  config["rope_theta"] = rope.theta;
  if (rope.yarn) {
    OrderedJson yarn;
    yarn["type"] = "yarn";
    yarn["factor"] = rope.yarn->factor;
    yarn["original_max_position_embeddings"] = rope.yarn->original_max_position;
    yarn["beta_fast"] = rope.yarn->beta_fast;
    yarn["beta_slow"] = rope.yarn->beta_slow;
    if (rope.yarn->mscale != 0) yarn["mscale"] = rope.yarn->mscale;
    if (rope.yarn->mscale_all_dim != 0) yarn["mscale_all_dim"] = rope.yarn->mscale_all_dim;
    if (rope.yarn->attention_factor) yarn["attention_factor"] = *rope.yarn->attention_factor;
    config["rope_scaling"] = std::move(yarn);
  } else {
    config["rope_scaling"] = nullptr;
  }
  if (!rope.interleaved) config["rope_interleave"] = false;
}

}  // namespace nuri
