#include "train/parity.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/file.h"
#include "base/json.h"
#include "io/model_files.h"
#include "models/load.h"
#include "train/step.h"

namespace nuri {
namespace {

namespace fs = std::filesystem;

struct Difference {
  double max_error = 0, max_value = 0, error2 = 0, value2 = 0;
  bool finite = true;
  void add(double a, double b) {
    const double e = a - b;
    if (!std::isfinite(e)) finite = false;
    max_error = std::max(max_error, std::fabs(e));
    max_value = std::max(max_value, std::fabs(b));
    error2 += e * e;
    value2 += b * b;
  }
  double by_max() const { return !finite ? INFINITY : max_value > 0 ? max_error / max_value : max_error; }
  double by_norm() const {
    if (!finite) return INFINITY;
    return value2 > 0 ? std::sqrt(error2 / value2) : std::sqrt(error2);
  }
};

Difference difference(const Tensor& a, const Tensor& b, const std::string& what) {
  NURI_CHECK(a.size() == b.size(), "{}: the file holds {} values, the model gives {}", what, b.size(), a.size());
  Difference d;
  const Tensor flat = a.contiguous() ? a : a.clone();
  for (int64_t i = 0; i < a.size(); ++i) d.add(flat.data<float>()[i], b.data<float>()[i]);
  return d;
}

/// |ours - theirs| / |theirs|; infinite where ours is no finite number.
double relative_error(double ours, double theirs) {
  const double e = std::fabs(ours - theirs) / std::max(std::fabs(theirs), 1e-30);
  return std::isfinite(e) ? e : INFINITY;
}

/// Python writes Infinity and NaN, which are not JSON, where a number is not finite (no two experts that could tie):
/// null in their place.
Json read_python_json(const fs::path& path) {
  std::string text = read_file(path);
  bool inside = false;  // of a string
  for (size_t i = 0; i < text.size(); ++i) {
    if (inside && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      inside = !inside;
    } else if (!inside) {
      for (const std::string_view word : {"-Infinity", "Infinity", "NaN"})
        if (text.compare(i, word.size(), word) == 0) text.replace(i, word.size(), "null");
    }
  }
  return parse_json(text, path.string());
}

std::optional<SafetensorsFile> open_if_there(const fs::path& path) {
  if (!fs::exists(path)) return std::nullopt;
  return SafetensorsFile(path);
}

std::vector<int32_t> load_ids(const SafetensorsFile& file, const std::string& name, int64_t vocab) {
  const Tensor t = file.load(name, DType::i64);
  std::vector<int32_t> ids;
  for (int64_t id : t.span<int64_t>()) {
    NURI_CHECK(id >= 0 && (vocab == 0 || id < vocab), "{}: {} holds {}, outside 0..{}", file.path().string(), name, id,
               vocab - 1);
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

class Checker {
 public:
  Checker(const fs::path& directory, const ParityBounds& bounds) : directory_(directory), bounds_(bounds) {}

  ParityReport run() {
    outputs_ = open_if_there(directory_ / "outputs.safetensors");
    if (fs::exists(directory_ / "expected.json")) expected_ = read_python_json(directory_ / "expected.json");
    for (MlaForm form : {MlaForm::expanded, MlaForm::absorbed}) {
      form_ = form;
      form_name_ = form == MlaForm::expanded ? "expanded" : "absorbed";
      forward_fp32();
      gradients();
      training(OptimizerKind::adamw);
      training(OptimizerKind::muon);
      forward_bf16();
    }
    return std::move(report_);
  }

 private:
  void absent(const std::string& what) {
    if (form_ == MlaForm::expanded) report_.absent.push_back(what);
  }
  void row(std::string what, double measured, double bound, std::string detail = {}) {
    report_.rows.push_back({std::move(what) + ", " + form_name_, measured, bound, std::move(detail)});
  }

  /// Rows of `tokens`; whole: each row one document.
  void read_rows(bool packed) {
    const TensorEntry& entry = outputs_->at("tokens");
    NURI_CHECK(entry.shape.size() == 2 && entry.shape[1] >= 2, "{}: tokens must be [rows, length + 1], found {}",
               outputs_->path().string(), shape_text(entry.shape));
    rows_ = entry.shape[0];
    length_ = entry.shape[1] - 1;
    tokens_ = load_ids(*outputs_, "tokens", vocab_);
    if (packed)
      documents_ = load_ids(*outputs_, "documents", 0);
    else
      documents_.assign(tokens_.size(), 0);
    NURI_CHECK(documents_.size() == tokens_.size(), "{}: documents and tokens differ in size",
               outputs_->path().string());
  }

  void forward_fp32() {
    LoadedModel loaded = load_model(directory_, {.dtype = DType::f32, .form = form_});
    DeepseekV3& model = *loaded.model;
    vocab_ = model.config().vocab_size;
    if (form_ == MlaForm::expanded) report_.notes = loaded.notes;
    if (!outputs_) return absent("outputs.safetensors: no logits to compare");
    for (const char* kind : {"whole", "packed"}) {
      const std::string prefix = std::string(kind) + ".";
      if (!outputs_->find(prefix + "logits")) {
        absent(prefix + "logits: not in outputs.safetensors");
        continue;
      }
      read_rows(prefix == "packed.");
      const TrainBatch batch = make_train_batch(tokens_, documents_, rows_, length_, true);
      ForwardTrace trace;
      const Tensor hidden = model.hidden(batch.batch, nullptr, nullptr, &trace);
      compare(prefix + "logits", model.logits_of(hidden));
      for (size_t i = 0; i < trace.states.size(); ++i)
        compare_if_there(prefix + "hidden." + std::to_string(i), trace.states[i]);
      for (int64_t i = 0; i < model.config().n_layers; ++i) compare_routing(prefix, model, i);
      if (!model.has_mtp()) {
        absent(prefix + "mtp_logits: the model has no MTP");
        continue;
      }
      if (!outputs_->find(prefix + "mtp_logits")) {
        absent(prefix + "mtp_logits: not in outputs.safetensors");
        continue;
      }
      ForwardTrace whole_trace;
      compare(prefix + "mtp_logits", model.mtp_logits(batch, &whole_trace));
      compare_if_there(prefix + "hidden." + std::to_string(model.config().n_layers + 1), whole_trace.states.back());
      compare_routing(prefix, model, model.config().n_layers);
    }
  }

  void compare(const std::string& name, const Tensor& ours) {
    row(name, difference(ours, outputs_->load(name, DType::f32), name).by_max(), bounds_.output);
  }
  void compare_if_there(const std::string& name, const Tensor& ours) {
    if (outputs_->find(name)) compare(name, ours);
  }

  /// Chosen experts (a count of tokens that differ) and their weights.
  void compare_routing(const std::string& prefix, DeepseekV3& model, int64_t block) {
    Moe* moe = model.moe_of(block);
    const std::string name = prefix + "model.layers." + std::to_string(block) + ".mlp.";
    if (!moe || !outputs_->find(name + "experts")) return;
    const int64_t changed = changed_experts(name, *moe);
    row(name + "experts", static_cast<double>(changed), 0);
    if (changed == 0 && outputs_->find(name + "weights")) compare(name + "weights", moe->last_routing().weights);
  }
  int64_t changed_experts(const std::string& name, const Moe& moe) {
    const std::vector<int32_t> theirs = load_ids(*outputs_, name + "experts", 0);
    const Tensor& ours = moe.last_routing().experts;
    NURI_CHECK(static_cast<int64_t>(theirs.size()) == ours.size(), "{}: {}experts has another size than the model's",
               outputs_->path().string(), name);
    const size_t k = static_cast<size_t>(ours.dim(1));
    int64_t changed = 0;
    for (size_t t = 0; t < theirs.size(); t += k)
      changed += !std::equal(theirs.begin() + static_cast<std::ptrdiff_t>(t),
                             theirs.begin() + static_cast<std::ptrdiff_t>(t + k), ours.data<int32_t>() + t);
    return changed;
  }

  std::string expected_name() const { return (directory_ / "expected.json").string(); }
  JsonObject expected(const char* key) const { return JsonObject(*expected_, expected_name()).object(key); }

  StepOptions step_options() const {
    StepOptions o;
    o.length = length_;
    o.micro_rows = rows_;
    const JsonObject h = expected("hyperparameters");
    o.mtp_weight = h.number("mtp_weight", 0, 1e6);
    o.balance_alpha = h.number("balance_alpha", 0, 1e6);
    o.bias_update_speed = h.number("bias_update_speed", 0, 1e6);
    return o;
  }
  OptimizerOptions optimizer_options(OptimizerKind kind = OptimizerKind::adamw) const {
    const JsonObject h = expected("hyperparameters");
    AdamWOptions o;
    o.beta1 = h.number("beta1", 0, 1e6);
    o.beta2 = h.number("beta2", 0, 1e6);
    o.eps = h.number("eps", 0, 1e6);
    o.weight_decay = h.number("weight_decay", 0, 1e6);
    o.max_grad_norm = h.number("max_grad_norm", 0, 1e6);
    OptimizerOptions all{o, kind};
    if (kind == OptimizerKind::muon) all.muon_momentum = h.number("muon_momentum", 0, 1);
    return all;
  }

  void compare_losses(const std::string& what, const StepResult& r, const JsonObject& theirs) {
    double worst = 0;
    std::string which;
    auto one = [&](const char* name, double ours) {
      if (!theirs.has(name)) return;
      const double e = relative_error(ours, theirs.number(name, -1e30, 1e30));
      if (e > worst) worst = e, which = name;
    };
    one("main", r.main);
    one("mtp", r.mtp);
    one("balance", r.balance);
    one("total", r.total);
    row(what, worst, bounds_.loss, which);
  }

  void gradients() {
    const auto file = open_if_there(directory_ / "gradients.safetensors");
    if (!file || !outputs_ || !expected_)
      return absent("gradients.safetensors with outputs.safetensors and expected.json: no gradients to compare");
    LoadedModel loaded = load_model(directory_, {.dtype = DType::f32, .trainable = true, .form = form_});
    for (const char* kind : {"whole", "packed"}) {
      read_rows(std::string(kind) == "packed");
      Optimizer optimizer(loaded.model->parameters(), optimizer_options());
      TrainStep step(*loaded.model, optimizer, step_options());
      const StepResult result = step.gradients(tokens_, documents_, rows_);
      optimizer.join_and_norm();
      if (expected_->contains(kind)) compare_losses(std::string(kind) + " losses", result, expected(kind));
      double worst = -1;
      std::string which;
      int64_t n = 0;
      for (const Parameter* p : loaded.model->parameters()) {
        const std::string name = std::string(kind) + "." + p->name;
        if (!file->find(name)) continue;
        const double e = difference(p->grads[0], file->load(name, DType::f32), name).by_norm();
        ++n;
        if (!(e <= worst)) worst = e, which = p->name;
      }
      row(fmt::format("{} gradients of {} tensors", kind, n), n ? worst : INFINITY, bounds_.gradient, which);
    }
  }

  void training(OptimizerKind kind) {
    const bool muon = kind == OptimizerKind::muon;
    const char* key = muon ? "muon_steps" : "steps";
    const auto file = open_if_there(directory_ / "training.safetensors");
    if (!file || !expected_ || !expected_->contains(key))
      return absent(fmt::format("training.safetensors with {} of expected.json: no {} steps to compare", key,
                                muon ? "Muon" : "optimizer"));
    LoadedModel loaded = load_model(directory_, {.dtype = DType::f32, .trainable = true, .form = form_});
    const TensorEntry& batches = file->at("batches");
    NURI_CHECK(batches.shape.size() == 3, "{}: batches must be [steps, rows, length + 1]", file->path().string());
    const int64_t steps = batches.shape[0];
    rows_ = batches.shape[1], length_ = batches.shape[2] - 1;
    const std::vector<int32_t> tokens = load_ids(*file, "batches", vocab_);
    const size_t per_step = static_cast<size_t>(rows_ * (length_ + 1));
    const std::vector<int32_t> documents(per_step, 0);
    Optimizer optimizer(loaded.model->parameters(), optimizer_options(kind));
    TrainStep step(*loaded.model, optimizer, step_options());
    const double rate = expected("hyperparameters").number("lr", 0, 1e6);
    double worst_loss = 0, worst_norm = 0, worst_weight = 0;
    const Json& theirs = expected_->at(key);
    NURI_CHECK(theirs.is_array() && static_cast<int64_t>(theirs.size()) == steps,
               "{}: {} {}, but training.safetensors has {}", expected_name(), theirs.size(), key, steps);
    for (int64_t s = 0; s < steps; ++s) {
      StepResult r =
          step.gradients(std::span(tokens).subspan(static_cast<size_t>(s) * per_step, per_step), documents, rows_);
      step.apply(r, rate, s + 1);
      const JsonObject t(theirs.at(static_cast<size_t>(s)), expected_name() + ": " + key);
      for (const auto& [name, ours] :
           {std::pair{"main", r.main}, {"mtp", r.mtp}, {"balance", r.balance}, {"total", r.total}})
        if (t.has(name)) worst_loss = std::max(worst_loss, relative_error(ours, t.number(name, -1e30, 1e30)));
      worst_norm = std::max(worst_norm, relative_error(r.grad_norm, t.number("grad_norm", -1e30, 1e30)));
    }
    row(fmt::format("losses of {} steps{}", steps, muon ? " of Muon" : ""), worst_loss, bounds_.loss);
    row(fmt::format("gradient norms of {} steps{}", steps, muon ? " of Muon" : ""), worst_norm, bounds_.grad_norm);
    if (muon) return;  // no weights after Muon's steps are recorded: the losses of later steps show them
    std::string which;
    for (const NamedTensor& t : model_tensors(*loaded.model)) {
      if (!file->find("final." + t.name)) continue;
      const double e = difference(t.tensor, file->load("final." + t.name, DType::f32), t.name).by_norm();
      if (!(e <= worst_weight)) worst_weight = e, which = t.name;
    }
    row(fmt::format("weights after {} steps", steps), worst_weight, bounds_.weights, which);
  }

  void forward_bf16() {
    if (!outputs_ || !outputs_->find("whole.logits") || !expected_ || !expected_->contains("transformers"))
      return absent("expected.json with transformers.bfloat16_rms_relative: no BF16 deviation to compare");
    const double recorded = expected("transformers").number("bfloat16_rms_relative", 0, 1e6);
    LoadedModel loaded = load_model(directory_, {.dtype = DType::bf16, .form = form_});
    read_rows(false);
    const TrainBatch batch = make_train_batch(tokens_, documents_, rows_, length_, true);
    const Tensor ours = loaded.model->logits_of(loaded.model->hidden(batch.batch));
    int64_t changed = 0;
    for (int64_t i = 0; i < loaded.model->config().n_layers; ++i) {
      const std::string name = "whole.model.layers." + std::to_string(i) + ".mlp.";
      Moe* moe = loaded.model->moe_of(i);
      if (moe && outputs_->find(name + "experts")) changed += changed_experts(name, *moe);
    }
    const double rms = difference(ours, outputs_->load("whole.logits", DType::f32), "whole.logits").by_norm();
    row("whole.logits in BF16, rms", rms, recorded * (changed ? bounds_.bf16_changed : bounds_.bf16),
        fmt::format("{} token choices of experts differ; another BF16 implementation deviates by {:.3g}", changed,
                    recorded));
  }

  fs::path directory_;
  ParityBounds bounds_;
  ParityReport report_;
  MlaForm form_ = MlaForm::expanded;
  std::string form_name_;
  std::optional<SafetensorsFile> outputs_;
  std::optional<Json> expected_;
  int64_t vocab_ = 0, rows_ = 0, length_ = 0;
  std::vector<int32_t> tokens_, documents_;
};

}  // namespace

bool ParityReport::passed() const {
  return std::all_of(rows.begin(), rows.end(), [](const ParityRow& r) { return r.passed(); });
}

ParityReport check_parity(const fs::path& directory, const ParityBounds& bounds) {
  return Checker(directory, bounds).run();
}

}  // namespace nuri
