#include "train/metrics.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/x1.h"

namespace nuri {
namespace {

namespace fs = std::filesystem;
using Row = nlohmann::ordered_json;

Row to_json(const StepRow& r) {
  return {{"kind", "step"},
          {"step", r.step},
          {"tokens", r.tokens},
          {"step_tokens", r.step_tokens},
          {"loss", r.loss},
          {"main", r.main},
          {"mtp", r.mtp},
          {"balance", r.balance},
          {"lr", r.lr},
          {"grad_norm", r.grad_norm},
          {"seconds", r.seconds},
          {"flops", r.flops},
          {"worst_load", r.worst_load},
          {"dead_experts", r.dead_experts},
          {"clipped_heads", r.clipped_heads},
          {"bias_norm", r.bias_norm},
          {"layer_rms", r.layer_rms},
          {"layer_logit", r.layer_logit},
          {"layer_grad_norm", r.layer_grad_norm},
          {"layer_update", r.layer_update},
          {"expert_counts", r.expert_counts}};
}

void read(const Json& j, double& value) { value = j.get<double>(); }
/// A count is written as one, and small enough that counts of a run can be added.
void read(const Json& j, int64_t& value) {
  constexpr uint64_t kMost = uint64_t{1} << 53;
  NURI_CHECK(j.is_number_unsigned() && j.get<uint64_t>() <= kMost, "{} where a count was expected", json_kind(j));
  value = j.get<int64_t>();
}
template <class T>
void read(const Json& j, std::vector<T>& values) {
  for (const Json& one : j.get_ref<const Json::array_t&>()) read(one, values.emplace_back());
}
template <class T>
void take(const Json& j, const char* key, T& value) {
  read(j.at(key), value);
}
/// What older logs lack.
template <class T>
void take_if_there(const Json& j, const char* key, T& value) {
  if (j.contains(key)) take(j, key, value);
}
int64_t count(const Json& j, const char* key) {
  int64_t value = 0;
  take(j, key, value);
  return value;
}

void from_json(const Json& j, StepRow& r) {
  take(j, "step", r.step), take(j, "tokens", r.tokens), take(j, "loss", r.loss), take(j, "main", r.main);
  take(j, "mtp", r.mtp), take(j, "balance", r.balance), take(j, "lr", r.lr), take(j, "grad_norm", r.grad_norm);
  take(j, "seconds", r.seconds), take(j, "flops", r.flops), take(j, "worst_load", r.worst_load);
  take(j, "dead_experts", r.dead_experts), take(j, "bias_norm", r.bias_norm), take(j, "layer_rms", r.layer_rms);
  take(j, "layer_logit", r.layer_logit), take(j, "expert_counts", r.expert_counts);
  take_if_there(j, "step_tokens", r.step_tokens), take_if_there(j, "clipped_heads", r.clipped_heads);
  take_if_there(j, "layer_grad_norm", r.layer_grad_norm), take_if_there(j, "layer_update", r.layer_update);
}

/// The one list of a policy row's numbers.
template <class Self, class Field>
void visit_policy(Self& r, Field&& field) {
  field("step", r.step), field("reward", r.reward), field("solved", r.solved), field("length", r.length);
  field("finished", r.finished), field("entropy", r.entropy), field("kl", r.kl), field("clipped", r.clipped);
  field("equal_groups", r.equal_groups), field("sampler_difference", r.sampler_difference);
  field("other_experts", r.other_experts), field("prompts", r.prompts), field("answers", r.answers);
  field("dropped", r.dropped), field("compared_tokens", r.compared_tokens);
  field("answer_tokens", r.answer_tokens), field("trained_tokens", r.trained_tokens);
  field("rollout_seconds", r.rollout_seconds), field("training_seconds", r.training_seconds);
  field("reference_seconds", r.reference_seconds);
}

/// Those that logs lack which were written before there were such.
template <class Self, class Field>
void visit_policy_later(Self& r, Field&& field) {
  field("too_long", r.too_long), field("comparison_seconds", r.comparison_seconds);
  field("evaluation_seconds", r.evaluation_seconds), field("seconds", r.seconds);
}

Row to_json(const PolicyRow& r) {
  Row j{{"kind", "policy"}};
  const auto put = [&](const char* key, const auto& value) { j[key] = value; };
  visit_policy(r, put);
  visit_policy_later(r, put);
  j["rollout_tokens_per_s"] = r.rollout_tokens_per_s();
  j["training_tokens_per_s"] = r.training_tokens_per_s();
  j["shares"] = r.shares();
  j["parts"] = r.parts;
  return j;
}

void from_json(const Json& j, PolicyRow& r) {
  visit_policy(r, [&](const char* key, auto& value) { take(j, key, value); });
  visit_policy_later(r, [&](const char* key, auto& value) { take_if_there(j, key, value); });
  r.parts = j.at("parts").get<std::map<std::string, double>>();
}

/// Calls see(json) for each whole row; returns the bytes of the rows whose step is at most `keep`.
template <class See>
size_t each_row(const std::string& text, int64_t keep, See see) {
  size_t begin = 0, kept = 0;
  while (begin < text.size()) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;
    const auto j = Json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                               text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    begin = end + 1;
    if (j.is_discarded() || !j.is_object() || !j.contains("step") || !j["step"].is_number_integer()) continue;
    if (j["step"].get<int64_t>() > keep) break;
    kept = begin;
    see(j);
  }
  return kept;
}

}  // namespace

double PolicyRow::rollout_tokens_per_s() const {
  return rollout_seconds > 0 ? static_cast<double>(answer_tokens) / rollout_seconds : 0;
}

double PolicyRow::training_tokens_per_s() const {
  return training_seconds > 0 ? static_cast<double>(trained_tokens) / training_seconds : 0;
}

std::map<std::string, double> PolicyRow::shares() const {
  if (seconds <= 0) return {};
  std::map<std::string, double> out{{"rollout", rollout_seconds},
                                    {"training", training_seconds},
                                    {"reference", reference_seconds},
                                    {"comparison", comparison_seconds},
                                    {"evaluation", evaluation_seconds}};
  double rest = seconds;
  for (auto& [what, part] : out) {
    rest -= part;
    part /= seconds;
  }
  out["other"] = rest / seconds;
  return out;
}

LogWriter::LogWriter(const fs::path& path, int64_t keep_steps) : path_(path) {
  if (fs::exists(path)) {
    const std::string text = read_file(path);
    const size_t kept = keep_steps > 0 ? each_row(text, keep_steps, [](const Json&) {}) : 0;
    write_file_atomic(path, std::string_view(text).substr(0, kept));
  }
  file_ = std::fopen(path.c_str(), "ab");
  NURI_CHECK(file_, "{}: cannot be written; check the permissions of the directory", path.string());
}

LogWriter::~LogWriter() { std::fclose(file_); }

void LogWriter::line(const std::string& json) {
  const bool ok = std::fwrite(json.data(), 1, json.size(), file_) == json.size() && std::fputc('\n', file_) != EOF &&
                  std::fflush(file_) == 0;
  NURI_CHECK(ok, "{}: cannot be written any more; is the disk full?", path_.string());
}

void LogWriter::write(const StepRow& row) { line(to_json(row).dump()); }
void LogWriter::write(const EvalRow& r) {
  line(Row{{"kind", "eval"},
           {"step", r.step},
           {"all_rows", r.all_rows},
           {"ema", r.ema},
           {"bits_per_byte", r.bits_per_byte},
           {"by_source", r.by_source},
           {"by_language", r.by_language}}
           .dump());
}
void LogWriter::write(const SampleRow& r) {
  Row row{{"kind", "sample"}, {"step", r.step}, {"prompt", r.prompt}, {"text", r.text}};
  if (r.reward) row["reward"] = *r.reward;
  line(row.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}
void LogWriter::write(const WarningRow& r) {
  line(Row{{"kind", "warning"},
           {"step", r.step},
           {"what", r.what},
           {"group", r.group},
           {"value", r.value},
           {"usual", r.usual},
           {"layers", r.layers}}
           .dump());
}

void LogWriter::write(const SaveRow& r) {
  line(Row{{"kind", "save"},
           {"step", r.step},
           {"background", r.background},
           {"last", r.last},
           {"stall_seconds", r.stall_seconds},
           {"end_seconds", r.end_seconds},
           {"write_seconds", r.write_seconds},
           {"bytes", r.bytes}}
           .dump());
}

void LogWriter::write(const PolicyRow& r) { line(to_json(r).dump()); }
void LogWriter::write(const SolveRow& r) {
  line(Row{{"kind", "solve"},
           {"step", r.step},
           {"problems", r.problems},
           {"pass_1", r.pass_1},
           {"low", r.low},
           {"high", r.high},
           {"length", r.length},
           {"by_category", r.by_category},
           {"by_language", r.by_language}}
           .dump());
}

RunLog read_log(const fs::path& path) { return parse_log(read_file(path)); }

RunLog parse_log(const std::string& text) {
  RunLog log;
  each_row(text, INT64_MAX, [&](const Json& j) {
    try {
      const std::string kind = j.value("kind", "");
      if (kind == "step") {
        StepRow row;
        from_json(j, row);
        log.steps.push_back(std::move(row));
      } else if (kind == "eval") {
        log.evals.push_back({count(j, "step"), j.at("all_rows"), j.at("bits_per_byte"),
                             j.at("by_source").get<std::map<std::string, double>>(),
                             j.at("by_language").get<std::map<std::string, double>>(), j.value("ema", false)});
      } else if (kind == "sample") {
        log.samples.push_back({count(j, "step"), j.at("prompt"), j.at("text"), {}});
        if (j.contains("reward")) log.samples.back().reward = j["reward"].get<double>();
      } else if (kind == "warning") {
        log.warnings.push_back(
            {count(j, "step"), j.at("what"), count(j, "group"), j.at("value"), j.at("usual"), count(j, "layers")});
      } else if (kind == "save") {
        log.saves.push_back({count(j, "step"), j.at("background"), j.value("last", false), j.at("stall_seconds"),
                             j.value("end_seconds", 0.0), j.at("write_seconds"), count(j, "bytes")});
      } else if (kind == "policy") {
        PolicyRow row;
        from_json(j, row);
        log.policy.push_back(std::move(row));
      } else if (kind == "solve") {
        log.solves.push_back({count(j, "step"), count(j, "problems"), j.at("pass_1"), j.at("low"), j.at("high"),
                              j.at("length"), j.at("by_category").get<std::map<std::string, double>>(),
                              j.at("by_language").get<std::map<std::string, double>>()});
      }
    } catch (const Json::exception&) {
      // A row of another version or with a null (not finite) number: the charts do without it.
    } catch (const Error&) {
    }
  });
  return log;
}

StepRow make_step_row(const StepResult& result, DeepseekV3& model, int64_t step, int64_t tokens, double lr,
                      double seconds) {
  StepRow r{.step = step,
            .tokens = tokens,
            .step_tokens = result.tokens,
            .loss = result.total,
            .main = result.main,
            .mtp = result.mtp,
            .balance = result.balance,
            .lr = lr,
            .grad_norm = result.grad_norm,
            .seconds = seconds,
            .layer_grad_norm = result.layer_grad_norms,
            .layer_update = result.layer_updates,
            .clipped_heads = result.clipped_heads};
  r.flops = training_flops(model.config(), result.sequence_lengths) -
            head_training_flops(model.config(), result.tokens - result.targets, true);
  for (const LayerStats& layer : result.layers) {
    r.layer_rms.push_back(layer.elements ? x1::sqrt(layer.square_sum / static_cast<double>(layer.elements)) : 0.0);
    r.layer_logit.push_back(static_cast<double>(layer.largest_logit));
    if (layer.expert_counts.empty()) continue;
    r.expert_counts.push_back(layer.expert_counts);
    int64_t sum = 0, most = 0;
    for (int64_t c : layer.expert_counts) {
      sum += c;
      most = std::max(most, c);
      r.dead_experts += c == 0;
    }
    const double mean = static_cast<double>(sum) / static_cast<double>(layer.expert_counts.size());
    if (mean > 0) r.worst_load = std::max(r.worst_load, static_cast<double>(most) / mean);
  }
  double norm = 0;
  for (const DeepseekV3::RouterBias& bias : model.router_biases())
    for (float b : bias.value.span<float>()) norm += static_cast<double>(b) * static_cast<double>(b);
  r.bias_norm = x1::sqrt(norm);
  return r;
}

std::string duration_text(double seconds) {
  const int64_t s = static_cast<int64_t>(seconds + 0.5);
  if (s >= 3600) return fmt::format("{} h {:02} min", s / 3600, s / 60 % 60);
  if (s >= 60) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} s", s);
}

LiveLine::LiveLine(int64_t total_steps, int64_t total_tokens, double peak_gflops, bool quiet)
    : total_steps_(total_steps),
      total_tokens_(total_tokens),
      peak_gflops_(peak_gflops),
      quiet_(quiet),
      terminal_(isatty(STDERR_FILENO) == 1) {}

void LiveLine::show(const StepRow& row, double tokens_per_s) {
  const double per_token = row.flops / static_cast<double>(std::max<int64_t>(1, row.step_tokens));
  const double mfu = peak_gflops_ > 0 ? 100 * tokens_per_s * per_token / (peak_gflops_ * 1e9) : 0;
  const double left = tokens_per_s > 0 ? static_cast<double>(total_tokens_ - row.tokens) / tokens_per_s : 0;
  std::string text =
      fmt::format("step {}/{}  loss {:.4f}  {:.0f} tokens/s", row.step, total_steps_, row.loss, tokens_per_s);
  if (peak_gflops_ > 0) text += fmt::format("  MFU {:.1f} %", mfu);
  text += fmt::format("  load {:.2f}x  ETA {}", row.worst_load, duration_text(left));
  show(text, row.step == total_steps_);
}

void LiveLine::show(const std::string& text, bool at_once) {
  if (quiet_) return;
  const double now = seconds_now();
  if (!at_once && now - last_shown_ < (terminal_ ? 0.2 : 10.0)) return;
  last_shown_ = now;
  std::fprintf(stderr, terminal_ ? "\r\x1b[K%s" : "%s\n", text.c_str());
  std::fflush(stderr);
}

void LiveLine::note(const std::string& text) {
  if (!quiet_) warn(text);
}

void LiveLine::warn(const std::string& text) {
  std::fprintf(stderr, terminal_ ? "\r\x1b[K%s\n" : "%s\n", text.c_str());
  std::fflush(stderr);
}

void LiveLine::end() {
  if (!quiet_ && terminal_ && last_shown_ > 0) std::fputc('\n', stderr);
}

}  // namespace nuri
