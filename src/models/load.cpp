#include "models/load.h"

#include <map>

#include "base/threads.h"
#include "io/model_files.h"
#include "io/model_write.h"
#include "ops/not_finite.h"

namespace nuri {
namespace {

/// Copies a file's tensor into t, converting; sizes were checked by match_model.
void read_into(const ModelFiles& files, const std::string& name, const Tensor& t) {
  const TensorEntry& entry = *files.find(name);
  convert_elements(files.data(name).data(), *entry.type, t.size(), t.dtype(), t.raw());
  require_finite(t, name, files.directory());
}

/// Whether a forward reads nothing but the packed form of a weight.
bool only_products(const Weight& w, MlaForm form) {
  if (!w.parameters[0].matrix || w.reads == Reads::lookup) return false;
  return w.reads != Reads::rows || form == MlaForm::expanded;
}

/// Of the types and alignment that packing reads, and so that each part begins a panel.
bool packs_where_it_lies(const ModelFiles& files, const Weight& w) {
  for (const Parameter& p : w.parameters) {
    const size_t element = dtype_bytes(p.value.dtype());
    if (files.find(p.name)->type->dtype != p.value.dtype()) return false;
    if (reinterpret_cast<uintptr_t>(files.data(p.name).data()) % element != 0) return false;
  }
  return w.parts_begin_panels();
}

/// Packs weights straight from the mapped file, or through a copy where that cannot be, some at a time.
void load_packed(const ModelFiles& files, std::span<Weight* const> weights, Precision precision) {
  constexpr size_t kCopied = size_t{256} << 20;  // bytes of copies at a time
  struct Job {
    const Parameter* parameter;
    Tensor rows;  // in the file, or of the copy
    bool copied;
  };
  for (size_t first = 0, last; first < weights.size(); first = last) {
    std::vector<Job> jobs;
    std::vector<Weight::Source> sources[2];  // in the model's precision, in FP32
    size_t copied = 0;
    for (last = first; last < weights.size() && copied < kCopied; ++last) {
      Weight& w = *weights[last];
      Weight::Source source{.weight = &w};
      const auto add = [&](const Tensor& rows) {
        source.parts.push_back({rows.raw(), rows.dtype(), rows.row_stride(), true, nullptr});
        source.rows.push_back(rows.dim(0));
      };
      if (packs_where_it_lies(files, w)) {
        for (const Parameter& p : w.parameters) {
          const auto bytes = files.data(p.name);
          const auto storage =
              std::make_shared<Storage>(const_cast<std::byte*>(bytes.data()), bytes.size(), nullptr);  // only read
          jobs.push_back({&p, Tensor::wrap(storage, 0, p.value.shape(), p.value.dtype()), false});
          add(jobs.back().rows);
        }
      } else {
        const Tensor copy = Tensor::empty({w.out(), w.in()}, w.value.dtype(), Owner::scratch);
        copied += copy.bytes();
        int64_t row = 0;
        for (const Parameter& p : w.parameters) {
          jobs.push_back({&p, copy.rows(row, row + p.value.dim(0)), true});
          row += p.value.dim(0);
        }
        add(copy);
      }
      sources[w.reads == Reads::product_f32 && precision != Precision::f32].push_back(std::move(source));
    }
    parallel_for(static_cast<int64_t>(jobs.size()), [&](int64_t i) {
      const Job& job = jobs[static_cast<size_t>(i)];
      if (job.copied)
        read_into(files, job.parameter->name, job.rows);
      else
        require_finite(job.rows, job.parameter->name, files.directory());
    });
    Weight::pack_from(sources[0], precision);
    Weight::pack_from(sources[1], Precision::f32);
    for (size_t i = first; i < last; ++i) weights[i]->drop_values();
  }
}

}  // namespace

void require_finite(const Tensor& t, const std::string& name, const std::filesystem::path& place) {
  if (const int64_t at = find_not_finite(t); at >= 0)
    fail(
        "{}: {} {}: element {} is NaN or Inf; weights must be finite numbers (of FP16 and FP32 also after rounding to "
        "BF16). The file is damaged or the training that wrote it failed: use an earlier one",
        place.string(), name, t.shape().text(), at);
}

LoadedModel load_model(const std::filesystem::path& directory, const LoadOptions& options) {
  const DeepseekV3Config config = read_config(directory / "config.json");
  NURI_CHECK(config.quantisation.empty(),
             "{}: quantization_config: found quantised weights (method {}); BF16, F16 and F32 weights are supported: "
             "convert them to BF16 and remove this key",
             (directory / "config.json").string(), config.quantisation);
  const ModelFiles files(directory);
  const ModelMatch match = match_model(files, config);
  LoadedModel out;
  if (config.n_mtp_layers > 0 && !match.has_mtp)
    out.notes.push_back("config.json announces MTP, but the directory holds no MTP tensors: loaded without MTP");
  if (!match.unused.empty())
    out.notes.push_back(fmt::format("{} tensors belong to no part of the model and are ignored, first: {}",
                                    match.unused.size(), match.unused[0]));
  DeepseekV3::Options model_options;
  model_options.dtype = options.dtype.value_or(config.dtype == "bfloat16" ? DType::bf16 : DType::f32);
  model_options.trainable = options.trainable;
  model_options.with_mtp = match.has_mtp && !options.serving;
  model_options.form = options.form;
  out.model = std::make_unique<DeepseekV3>(config, model_options);
  std::vector<Weight*> packed;
  std::vector<Parameter*> stored;
  out.model->visit([&](Weight& w) {
    if (options.serving && only_products(w, options.form))
      packed.push_back(&w);
    else
      for (Parameter& p : w.parameters) stored.push_back(&p);
  });
  parallel_for(static_cast<int64_t>(stored.size()), [&](int64_t i) {
    Parameter& p = *stored[static_cast<size_t>(i)];
    read_into(files, p.name, p.master.defined() ? p.master : p.value);
  });
  load_packed(files, packed, out.model->precision());
  if (options.serving) trim_memory();  // of the values and the copies
  for (DeepseekV3::RouterBias& bias : out.model->router_biases()) read_into(files, bias.name, bias.value);
  if (!options.serving) out.model->refresh();
  return out;
}

std::vector<NamedTensor> model_tensors(DeepseekV3& model) {
  std::map<std::string, Tensor> by_name;
  for (const Parameter* p : model.parameters()) {
    NURI_ASSERT(p->value.defined(), "{}: a model that only serves keeps no values", p->name);
    by_name.emplace(p->name, p->value);
  }
  for (const DeepseekV3::RouterBias& bias : model.router_biases()) by_name.emplace(bias.name, bias.value);
  std::vector<NamedTensor> out;
  for (const TensorSpec& spec : tensor_specs(model.config())) {
    auto found = by_name.find(spec.name);
    if (found != by_name.end()) out.push_back({spec.name, found->second});
  }
  NURI_ASSERT(out.size() == by_name.size(), "{} of {} tensors have a place in the file", out.size(), by_name.size());
  return out;
}

std::string config_of(const DeepseekV3& model) {
  DeepseekV3Config config = model.config();
  config.dtype = model.options().dtype == DType::bf16 ? "bfloat16" : "float32";
  if (!model.has_mtp()) config.n_mtp_layers = 0;
  return write_config(config);
}

void save_model(DeepseekV3& model, const std::filesystem::path& directory) {
  write_file_atomic(directory / "config.json", config_of(model));
  write_model_weights(directory, model_tensors(model));
}

}  // namespace nuri
