// How far below the trigram of its own text the demo's base model ends, and how far it has to on this kind of CPU.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/demo.h"
#include "cli/machine.h"
#include "data/ngram.h"
#include "ledger/run_record.h"

namespace nuri {
namespace {

/// Percent below the trigram that the demo's steps reach within its time.
constexpr double kBarAvx512 = 8, kBarAvx2 = 5;

/// The n-grams' bits per byte of the held-out text, counted once for these weights and kept; null where neither they
/// nor shards are there.
OrderedJson count_ngrams(const fs::path& shards, const fs::path& kept, const std::string& weights) {
  if (fs::exists(kept)) {
    const Json before = read_json_file(kept);
    const JsonObject found(before, kept.string());
    if (found.text_or("weights", "") == weights)
      return {{"unigram_bits_per_byte", found.number("unigram_bits_per_byte", 0, 1e6)},
              {"trigram_bits_per_byte", found.number("trigram_bits_per_byte", 0, 1e6)},
              {"overlap_13_grams", found.number("overlap_13_grams", 0, 1)}};
  }
  if (!fs::exists(shards / "manifest.json")) return nullptr;
  const data::Dataset dataset = data::Dataset::open(shards);
  const data::NgramScore ngram = data::score_ngrams(dataset);
  int64_t grams = 0, shared = 0;
  for (const data::Overlap& v : data::ngram_overlap(dataset)) {
    grams += v.grams;
    shared += v.shared;
  }
  OrderedJson counted{{"unigram_bits_per_byte", ngram.all.unigram},
                      {"trigram_bits_per_byte", ngram.all.trigram},
                      {"overlap_13_grams", grams ? static_cast<double>(shared) / static_cast<double>(grams) : 0.0}};
  OrderedJson with_weights = counted;
  with_weights["weights"] = weights;
  write_file_atomic(kept, json_text(with_weights));
  return counted;
}

/// Why a model may end above the bar, as far as the demo knows; "" where nothing of it was changed.
std::string why_above(const DemoOptions& o, int64_t steps) {
  std::string why;
  const auto add = [&](const std::string& reason) { why += (why.empty() ? "" : "; ") + reason; };
  if (steps < kDemoSteps)
    add(fmt::format("{} steps of the usual {} were made, {}", steps, kDemoSteps,
                    !fs::exists(fs::path(o.out) / "steps") ? "as the recipe says"
                    : o.minutes > 0                        ? "as many as fit --minutes"
                    : o.quick                              ? "as --quick says"
                                                           : "as many as this machine does in the demo's time"));
  if (o.recipe != DemoOptions().recipe || !o.settings.empty()) add("the recipe is not the demo's (--recipe, --set)");
  if (!o.text.empty())
    add("the bar is of the manuals, not of other text (--text)");
  else if (o.packages.empty())
    add("no manuals were given (--packages)");
  return why;
}

}  // namespace

void demo_yardstick(const DemoOptions& o, const fs::path& shards, const fs::path& model, OrderedJson& result) {
  const RunRecord run = read_run_record(model / "run.json");
  if (!run.results.contains("bits_per_byte")) return;
  const double bits = run.results.at("bits_per_byte");
  const std::string weights = run.hashes.contains("weights") ? run.hashes.at("weights") : "";
  const OrderedJson counted = count_ngrams(shards, fs::path(o.out) / "yardstick.json", weights);
  if (counted.is_null()) return;
  for (const auto& [key, value] : counted.items()) result[key] = value;
  const double trigram = counted["trigram_bits_per_byte"].get<double>();
  fmt::print("  {:.2f} % of the 13-grams of the held-out text also stand in the training text\n",
             100 * counted["overlap_13_grams"].get<double>());
  fmt::print(
      "  bits per byte:  unigram {:.4f}   trigram (Kneser-Ney) {:.4f}   this model {:.4f}  ({:+.1f} % against the "
      "trigram)\n",
      counted["unigram_bits_per_byte"].get<double>(), trigram, bits, 100 * (bits / trigram - 1));
  const bool avx512 = active_level_text().starts_with("avx512");
  const double below = 100 * (1 - bits / trigram), bar = avx512 ? kBarAvx512 : kBarAvx2;
  const bool reached = below >= bar;
  std::string why = reached ? "" : why_above(o, run.steps);
  if (!reached && why.empty())
    why = "though nothing of the demo was changed; please report that with " + (model / "report.html").string();
  fmt::print("  the bar of the demo, {} % below the trigram with {}: {}{}\n", bar, avx512 ? "AVX-512" : "AVX2",
             reached ? "reached" : "NOT reached: ", why);
  result["trigram"] = {{"below_percent", below},
                       {"bar_percent", bar},
                       {"level", active_level_text()},
                       {"reached", reached},
                       {"why_not", why}};
}

}  // namespace nuri
