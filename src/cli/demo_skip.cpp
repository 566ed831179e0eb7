// Which stages of the demo may be skipped: those whose result is there, and those whose result nothing needs.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/file.h"
#include "cli/demo.h"

namespace nuri {
namespace {

constexpr std::array kStages = {"text", "tokenizer", "shards", "train", "sft", "rl", "eval", "report", "chat"};

}  // namespace

bool DemoOptions::skips(std::string_view stage) const {
  return std::find(skip.begin(), skip.end(), stage) != skip.end();
}

void demo_check_skips(const DemoOptions& o) {
  for (const std::string& stage : o.skip)
    NURI_CHECK(std::find(kStages.begin(), kStages.end(), stage) != kStages.end(),
               "--skip {}: allowed are {} (--base replaces what stands before sft)", stage, fmt::join(kStages, ", "));
  const fs::path out = o.out;
  const auto check = [&](const char* stage, bool without, const fs::path& result, const char* remedy) {
    NURI_CHECK(!o.skips(stage) || without || fs::exists(result), "--skip {}: {} is not there; {}", stage,
               result.string(), remedy);
  };
  const bool trained = demo_finished(out / "run");
  if (o.base.empty()) {
    check("text", o.skips("tokenizer") && o.skips("shards"), out / "facts.jsonl",
          "the tokenizer and the shards are made from it: skip these as well, or run this stage once");
    check("tokenizer", o.skips("shards"), out / "tokenizer" / "tokenizer_config.json",
          "the shards are made with it: skip these as well, or run this stage once");
    check("shards", trained, out / "data" / "manifest.json",
          "pre-training reads it: run this stage once, or name a base model with --base");
    NURI_CHECK(!o.skips("train") || trained,
               "--skip train: {} is not there or not finished; run this stage to its end, or name a base model with "
               "--base (and another --out)",
               (out / "run").string());
  }
  NURI_CHECK(
      !o.skips("sft") || o.skips("rl") || demo_finished(out / "sft"),
      "--skip sft: {} is not there or not finished, and reinforcement learning begins with it; skip rl as well, or "
      "run this stage to its end",
      (out / "sft").string());
}

}  // namespace nuri
