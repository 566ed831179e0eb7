#include "train/memory_plan.h"

#include <algorithm>
#include <cmath>

#include "train/step.h"

namespace nuri {
MemoryPlan plan_memory(const DeepseekV3Config& config, const Recipe& recipe) {
  const MetaScope meta;
  DeepseekV3::Options options;
  options.dtype = recipe.precision_kind() == Precision::bf16 ? DType::bf16 : DType::f32;
  options.trainable = true;
  options.form = recipe.form();
  DeepseekV3 model(config, options);
  AdamW optimizer(model.parameters(), recipe.adamw_options());
  TrainStep step(model, optimizer, recipe.step_options());
  const size_t size = static_cast<size_t>(recipe.batch_rows * (recipe.length + 1));
  const std::vector<int32_t> tokens(size, 0), documents(size, 0);
  StepResult result = step.gradients(tokens, documents, recipe.batch_rows);
  step.apply(result, 0, 1);
  MemoryPlan plan;
  const auto use = memory_use();
  for (size_t i = 0; i < use.size(); ++i) plan.bytes[i] = use[i].peak;
  plan.total = memory_total().peak + kProcessBytes;
  return plan;
}

std::string plan_text(const MemoryPlan& plan) {
  std::string out;
  for (size_t i = 0; i < plan.bytes.size(); ++i)
    if (plan.bytes[i] > 0)
      out += fmt::format("  {:<16} {:>12}\n", owner_name(static_cast<Owner>(i)), bytes_text(plan.bytes[i]));
  return out + fmt::format("  {:<16} {:>12}\n  {:<16} {:>12}\n", "process", bytes_text(kProcessBytes), "in all (peak)",
                           bytes_text(plan.total));
}

int64_t parse_bytes(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  std::string unit(end ? end : "");
  std::erase(unit, ' ');
  std::transform(unit.begin(), unit.end(), unit.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  if (unit.ends_with("ib"))
    unit.resize(unit.size() - 2);
  else if (unit.ends_with("b"))
    unit.resize(unit.size() - 1);
  const std::string units = "kmgt";
  double factor = 1;
  const bool known = unit.empty() || (unit.size() == 1 && units.find(unit[0]) != std::string::npos);
  if (!unit.empty() && known)
    for (size_t i = 0; i <= units.find(unit[0]); ++i) factor *= 1024;
  NURI_CHECK(end != text.c_str() && known && std::isfinite(value) && value > 0 && value * factor < 9e18,
             "'{}' is not a size; write for instance 16G, 512M or a number of bytes", text);
  return static_cast<int64_t>(value * factor);
}

std::string bytes_text(int64_t bytes) {
  const double b = static_cast<double>(bytes);
  if (b >= 1 << 30) return fmt::format("{:.2f} GiB", b / (1 << 30));
  if (b >= 1 << 20) return fmt::format("{:.1f} MiB", b / (1 << 20));
  if (b >= 1 << 10) return fmt::format("{:.1f} KiB", b / (1 << 10));
  return fmt::format("{} B", bytes);
}

void require_memory(const MemoryPlan& plan, int64_t limit, const DeepseekV3Config& config, const Recipe& recipe) {
  if (plan.total <= limit) return;
  // Fewer rows of one forward need less memory and change no bit: look for the most that fit.
  std::string advice;
  Recipe smaller = recipe;
  for (int64_t rows = recipe.rows_at_once() / 2; rows >= 1 && advice.empty(); rows /= 2) {
    smaller.micro_rows = rows;
    const MemoryPlan p = plan_memory(config, smaller);
    if (p.total <= limit)
      advice = fmt::format("with --set micro_rows={} it needs {} and gives the same bits", rows, bytes_text(p.total));
  }
  if (advice.empty()) advice = "not even one row at a time fits: use a smaller model, or a machine with more memory";
  fail("this run needs {} of memory, {} are allowed; {}\n{}", bytes_text(plan.total), bytes_text(limit), advice,
       plan_text(plan));
}

}  // namespace nuri
