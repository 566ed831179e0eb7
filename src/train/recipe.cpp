#include "train/recipe.h"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/nearest.h"
#include "text/utf8.h"
#include "train/recipe_lines.h"

namespace nuri {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxRecipeBytes = 1 << 20;

/// The keys that this recipe may have.
template <class Resolved, class Field>
void visit_keys(Resolved& recipe, Field&& field) {
  Recipe::visit(recipe.recipe, field);
  if (recipe.policy) PolicyRecipe::visit(*recipe.policy, field);
}

[[noreturn]] void refuse_key(const ResolvedRecipe& recipe, std::string_view key, const std::string& where) {
  std::vector<std::string_view> keys;
  visit_keys(recipe, [&](const RecipeField& f, const auto&) { keys.push_back(f.key); });
  bool of_policy = false;
  const PolicyRecipe policy;
  PolicyRecipe::visit(policy, [&](const RecipeField& f, const auto&) { of_policy = of_policy || f.key == key; });
  NURI_CHECK(!of_policy, "{}: {} is a key of reinforcement learning (`nuri rl`); leave it out", where, key);
  fail("{}: unknown key '{}'{}; `nuri train --help` lists all keys", where, key, did_you_mean(key, keys));
}

void check_range(const RecipeField& f, double value, const std::string& where) {
  NURI_CHECK(value >= f.min && value <= f.max, "{}: {} = {}; allowed are {} to {}", where, f.key, value, f.min, f.max);
}

std::string kind_of(const toml::node& node) {
  if (node.is_string()) return "a text";
  if (node.is_integer()) return "a whole number";
  if (node.is_floating_point()) return "a number";
  if (node.is_boolean()) return "true or false";
  if (node.is_table()) return "a table";
  return "another kind of value";
}

void assign(const RecipeField& f, const toml::node& node, std::string& value, const std::string& where) {
  NURI_CHECK(node.is_string(), "{}: {} must be a text in quotes, found {}", where, f.key, kind_of(node));
  value = **node.as_string();
}
void assign(const RecipeField& f, const toml::node& node, bool& value, const std::string& where) {
  NURI_CHECK(node.is_boolean(), "{}: {} must be true or false, found {}", where, f.key, kind_of(node));
  value = **node.as_boolean();
}
void assign(const RecipeField& f, const toml::node& node, double& value, const std::string& where) {
  NURI_CHECK(node.is_number(), "{}: {} must be a number, found {}", where, f.key, kind_of(node));
  value = node.is_integer() ? static_cast<double>(**node.as_integer()) : **node.as_floating_point();
  NURI_CHECK(std::isfinite(value), "{}: {} is not a finite number", where, f.key);
  check_range(f, value, where);
}
void assign(const RecipeField& f, const toml::node& node, int64_t& value, const std::string& where) {
  double as_double = 0;
  if (node.is_integer())
    as_double = static_cast<double>(value = **node.as_integer());
  else if (node.is_floating_point() && **node.as_floating_point() == std::floor(**node.as_floating_point()) &&
           std::fabs(**node.as_floating_point()) < 9e15)
    as_double = static_cast<double>(value = static_cast<int64_t>(**node.as_floating_point()));  // 2e6 is welcome
  else
    fail("{}: {} must be a whole number, found {}", where, f.key, kind_of(node));
  check_range(f, as_double, where);
}

void apply(ResolvedRecipe& out, const toml::table& table, const std::string& where) {
  std::set<std::string_view> known;
  visit_keys(out, [&](const RecipeField& f, auto& value) {
    known.insert(f.key);
    const toml::node* node = table.get(f.key);
    if (!node) return;
    assign(f, *node, value, where);
    out.origin[std::string(f.key)] = where;
  });
  for (const auto& [key, node] : table) {
    if (!known.contains(key.str())) refuse_key(out, key.str(), where);
  }
}

toml::table parse_toml(std::string_view text, const std::string& where) {
  expect_flat(text, where);
  try {
    return toml::parse(text, where);
  } catch (const toml::parse_error& e) {
    fail("{}: line {}, column {}: {}", where, e.source().begin.line, e.source().begin.column, e.description());
  }
}

std::string value_text(const std::string& v) {
  std::string quoted = "\"";
  for (size_t i = 0; i < v.size(); ++i) {
    const char c = v[i];
    const auto byte = static_cast<unsigned char>(c);
    if (const OddBreak* odd = odd_break(std::string_view(v).substr(i))) {
      quoted += odd->escaped;
      i += odd->text.size() - 1;
    } else if (c == '"' || c == '\\')
      quoted += std::string("\\") + c;
    else if (c == '\n')
      quoted += "\\n";
    else if (byte < 0x20 || byte == 0x7F)
      quoted += fmt::format("\\u{:04X}", byte);
    else
      quoted += c;
  }
  return quoted + "\"";
}
std::string value_text(bool v) { return v ? "true" : "false"; }
std::string value_text(int64_t v) { return std::to_string(v); }
std::string value_text(double v) {
  std::string text = fmt::format("{}", v);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

/// An origin inside a comment: on one line, and UTF-8 whatever the path or the command line was.
std::string comment_text(const std::string& origin) {
  std::string text;
  append_utf8_lossy(origin, text);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return (c >= 0 && c < 0x20) || c == 0x7F; }, ' ');
  for (size_t i = 0; i < text.size(); ++i)
    if (const OddBreak* odd = odd_break(std::string_view(text).substr(i))) text.replace(i, odd->text.size(), 1, ' ');
  return text;
}

}  // namespace

DeepseekV3::Options Recipe::model_options() const {
  return {.dtype = precision_kind() == Precision::bf16 ? DType::bf16 : DType::f32, .trainable = true, .form = form()};
}

StepOptions Recipe::step_options() const {
  return {.length = length,
          .micro_rows = rows_at_once(),
          .grad_shards = grad_shards,
          .document_mask = document_mask,
          .recompute = recompute_kind(),
          .mtp_weight = mtp_weight,
          .balance_alpha = balance_alpha,
          .bias_update_speed = bias_update_speed,
          .qk_clip = qk_clip};
}

OptimizerOptions Recipe::optimizer_options() const {
  return {{beta1, beta2, eps, weight_decay, max_grad_norm}, parse_optimizer(optimizer), muon_momentum, ema_decay};
}

Schedule Recipe::make_schedule(int64_t total_steps) const {
  return {parse_schedule(schedule), lr, lr * final_lr, warmup_steps, total_steps, decay_fraction};
}

bool Recipe::saves_copies() const {
  return save == "background" && save_every > 0 && (steps == 0 || save_every < steps);
}

Recompute Recipe::recompute_kind() const { return recompute == "auto" ? Recompute::none : parse_recompute(recompute); }

std::map<std::string, double> Recipe::source_weights() const {
  std::map<std::string, double> out;
  size_t begin = 0;
  while (begin < weights.size()) {
    const size_t end = std::min(weights.find(',', begin), weights.size());
    const std::string item = weights.substr(begin, end - begin);
    const size_t equals = item.rfind('=');
    double value = -1;
    const char* const end_of_item = item.data() + item.size();
    const auto [rest, error] = equals == std::string::npos
                                   ? std::from_chars_result{end_of_item, std::errc::invalid_argument}
                                   : std::from_chars(item.data() + equals + 1, end_of_item, value);
    NURI_CHECK(error == std::errc() && equals > 0 && rest == end_of_item && value >= 0 && value <= 1e6,
               "weights: '{}' is not source=number with a number from 0 to 1e6", item);
    out[item.substr(0, equals)] = value;
    begin = end + 1;
  }
  return out;
}

void Recipe::validate() const {
  NURI_CHECK(precision == "bf16" || precision == "f32", "precision = '{}'; allowed are bf16 and f32", precision);
  NURI_CHECK(mla_form == "expanded" || mla_form == "absorbed", "mla_form = '{}'; allowed are expanded and absorbed",
             mla_form);
  (void)recompute_kind();
  NURI_CHECK(save == "auto" || save == "background" || save == "foreground",
             "save = '{}'; allowed are auto, background and foreground", save);
  (void)parse_optimizer(optimizer);
  (void)parse_schedule(schedule);
  (void)source_weights();
  NURI_CHECK(publish == "last" || publish == "best", "publish = '{}'; allowed are last and best", publish);
  NURI_CHECK(too_long == "cut" || too_long == "drop", "too_long = '{}'; allowed are cut and drop", too_long);
  NURI_CHECK(
      (publish == "last" && patience == 0) || (eval_every > 0 && eval_rows == 0),
      "publish = best and patience compare validations of all rows: set eval_rows = 0 and eval_every to a number "
      "of steps");
  NURI_CHECK(publish == "last" || ema_decay == 0,
             "publish = best with ema_decay = {}: the best is chosen by the weights, not by their average; set "
             "publish = last, or ema_decay = 0",
             ema_decay);
  check_step_options(step_options(), batch_rows);
  NURI_CHECK(steps > 0 || tokens > 0 || epochs > 0, "steps, tokens and epochs are all 0: say how long the run is");
  NURI_CHECK((batch_rows_start > 0) == (batch_ramp_tokens > 0),
             "batch_rows_start = {} and batch_ramp_tokens = {}: a ramp needs both, a constant batch neither",
             batch_rows_start, batch_ramp_tokens);
  NURI_CHECK(batch_ramp_unit == 0 || batch_rows_start > 0,
             "batch_ramp_unit = {} without batch_rows_start: set batch_rows_start, or leave it out", batch_ramp_unit);
  if (batch_rows_start > 0) {
    NURI_CHECK(batch_rows_start <= batch_rows,
               "batch_rows_start = {} is more than batch_rows = {}: a ramp rises; lower the first or raise the second",
               batch_rows_start, batch_rows);
    NURI_CHECK((batch_rows - batch_rows_start) % ramp_unit() == 0,
               "from batch_rows_start = {} to batch_rows = {} is no multiple of the ramp's unit of {} rows; set "
               "batch_ramp_unit to a divisor of {}",
               batch_rows_start, batch_rows, ramp_unit(), batch_rows - batch_rows_start);
    NURI_CHECK(batch_rows_start % grad_shards == 0 && ramp_unit() % grad_shards == 0,
               "batch_rows_start = {} and the ramp's unit of {} rows must divide into grad_shards = {} equal runs",
               batch_rows_start, ramp_unit(), grad_shards);
    NURI_CHECK(batch_ramp_tokens >= length, "batch_ramp_tokens = {} is less than one row of {} tokens",
               batch_ramp_tokens, length);
  }
  const int64_t first = batch_ramp().rows_at(0) * length;
  NURI_CHECK(tokens == 0 || steps > 0 || tokens >= first, "tokens = {} is less than one step of {} tokens", tokens,
             first);
}

void apply_recipe(ResolvedRecipe& resolved, std::string_view toml, const std::string& where) {
  apply(resolved, parse_toml(toml, where), where);
}

ResolvedRecipe load_recipe(const fs::path& path, const std::vector<std::string>& settings) {
  return load_recipe(path, settings, RecipeDefaults{});
}

ResolvedRecipe load_recipe(const fs::path& path, const std::vector<std::string>& settings,
                           const RecipeDefaults& defaults) {
  ResolvedRecipe out;
  if (defaults.policy) out.policy.emplace();
  apply_recipe(out, defaults.toml, defaults.origin);
  if (!path.empty()) apply_recipe(out, read_file(path, kMaxRecipeBytes), path.string());
  for (const std::string& setting : settings) {
    const size_t equals = setting.find('=');
    NURI_CHECK(equals != std::string::npos && equals > 0, "--set {}: write key=value", setting);
    const std::string key = setting.substr(0, equals), value = setting.substr(equals + 1);
    // A bare word is a text: --set schedule=cosine needs no quotes.
    bool is_text = false;
    visit_keys(out, [&](const RecipeField& f, auto& field) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(field)>, std::string>) is_text |= f.key == key;
    });
    const std::string line = key + " = " + (is_text && (value.empty() || value[0] != '"') ? value_text(value) : value);
    apply_recipe(out, line, "--set " + setting);
  }
  if (!defaults.checked) return out;
  const Recipe& r = out.recipe;
  if (out.policy) out.policy->complete(out.recipe, out.origin);
  r.validate();
  if (out.policy) out.policy->validate(r);
  NURI_CHECK(!r.config.empty() || !r.init_from.empty(),
             "{}: config is missing: name the config.json of the model, relative to the recipe, or init_from",
             path.string());
  // An absolute path stays what it is.
  if (!r.init_from.empty()) out.init_from = path.parent_path() / r.init_from;
  const fs::path config = r.config.empty() ? out.init_from / "config.json" : path.parent_path() / r.config;
  out.config_text = read_file(config, kMaxRecipeBytes);
  out.model = parse_config(out.config_text, config.string());
  return out;
}

std::string recipe_text(const ResolvedRecipe& resolved) {
  std::string out;
  visit_keys(resolved, [&](const RecipeField& f, const auto& value) {
    auto origin = resolved.origin.find(std::string(f.key));
    const std::string line = fmt::format("{} = {}", f.key, value_text(value));
    out += fmt::format("{:<34} # {}{}{} [{}]\n", line, f.unit, f.unit.empty() ? "" : "; ", f.meaning,
                       origin == resolved.origin.end() ? "default" : comment_text(origin->second));
  });
  return out;
}

std::vector<std::string> changed_bits(const ResolvedRecipe& before, const ResolvedRecipe& after) {
  static const std::set<std::string_view> free_keys = {
      "config",           "micro_rows",       "recompute",     "save",          "save_every",
      "keep_last",        "keep_every",       "keep_best",     "eval_every",    "eval_rows",
      "sample_every",     "sample_prompts",   "sample_tokens", "eval_problems", "held_out",
      "eval_temperature", "rollout_sequences"};
  // Patience makes the end of a run of its validations.
  const bool validations_count = after.recipe.patience > 0 || after.recipe.publish == "best";
  const auto free = [&](std::string_view key) {
    return free_keys.contains(key) && !(validations_count && (key == "eval_every" || key == "eval_rows"));
  };
  std::map<std::string_view, std::string> values;
  visit_keys(before, [&](const RecipeField& f, const auto& value) { values[f.key] = value_text(value); });
  std::vector<std::string> out;
  visit_keys(after, [&](const RecipeField& f, const auto& value) {
    if (!free(f.key) && values[f.key] != value_text(value))
      out.push_back(fmt::format("{}: {} -> {}", f.key, values[f.key], value_text(value)));
  });
  return out;
}

}  // namespace nuri
