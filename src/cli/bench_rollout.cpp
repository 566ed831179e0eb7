// A rollout as it ships: the engine of many replies, with paging, drawing, log-probabilities and experts kept.
#include <algorithm>
#include <map>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "base/median.h"
#include "cli/bench_decode.h"
#include "infer/engine.h"

namespace nuri {
namespace {

constexpr int64_t kMean = 256, kLongest = 2 * kMean;

/// Answers in flight that began at different times: each ends at kLongest tokens and makes room for one that begins, so
/// that contexts stay spread from 1 to kLongest. A single one is drawn around kMean instead.
class RollingEngine : public DecodeCase {
 public:
  RollingEngine(DeepseekV3& model, int64_t sequences)
      : model_(model),
        engine_(model, {},
                {.sequences = sequences,
                 .prefill_chunk = 8192,
                 .cache_tokens = (sequences * (kMean / kKeyBlock + 1) + sequences / 16 + 64) * kKeyBlock,
                 .keep_experts = true}) {
    result_.sequences = sequences;
    result_.context = kMean;
    if (sequences == 1) return;
    for (int64_t i = 0; i < sequences; ++i) submit(1 + (2 * i + 1) * (kLongest - 2) / (2 * sequences), kLongest);
    while (step() < static_cast<size_t>(sequences)) {
    }
  }

  void round(double seconds, cpu::BandwidthProbe& probe) override {
    if (result_.sequences == 1) submit(kMean - kDecodeSteps / 2, kMean + kDecodeSteps);
    std::vector<double> times, reads, forward, logits, draw, rest;
    double keys = 0;
    int64_t experts = 0;
    const double end = seconds_now() + seconds;
    for (int64_t i = 0; i < kDecodeSteps && (i <= kDecodeWarmSteps || seconds_now() < end); ++i) {
      const EngineStats before = engine_.stats();
      const auto in_caches = static_cast<double>(tokens_);
      const double begin = seconds_now();
      const size_t drawn = step();
      const double took = seconds_now() - begin;
      if (i < kDecodeWarmSteps) continue;
      NURI_ASSERT(drawn == static_cast<size_t>(result_.sequences));
      const EngineStats& after = engine_.stats();
      times.push_back(took);
      forward.push_back((after.forward_seconds - before.forward_seconds) / took);
      logits.push_back((after.logits_seconds - before.logits_seconds) / took);
      draw.push_back((after.draw_seconds - before.draw_seconds) / took);
      rest.push_back(1 - forward.back() - logits.back() - draw.back());
      keys += in_caches;
      experts = used_experts();
      reads.push_back(probe.read());
    }
    keys /= static_cast<double>(times.size());
    rounds_.push_back({median(times), median(reads), decode_parts(model_, result_.sequences, keys, experts)});
    shares_.push_back({mean(forward), mean(logits), mean(draw), mean(rest)});
    contexts_.push_back(keys / static_cast<double>(result_.sequences));
    if (result_.sequences == 1) end_all();
  }

  DecodeBench result(double peak_gflops) const override {
    DecodeBench r = DecodeCase::result(peak_gflops);
    const auto of = [&](double Shares::*part) {
      std::vector<double> all;
      for (const Shares& s : shares_) all.push_back(s.*part);
      return mean(all);
    };
    r.shares = {of(&Shares::forward), of(&Shares::logits), of(&Shares::draw), of(&Shares::engine)};
    r.mean_context = mean(contexts_);
    r.evictions = engine_.stats().evictions;
    return r;
  }

 private:
  using Shares = DecodeBench::Shares;
  static double mean(const std::vector<double>& values) {
    double sum = 0;
    for (const double v : values) sum += v;
    return sum / static_cast<double>(values.size());
  }

  void submit(int64_t prompt, int64_t longest) {
    EngineRequest r;
    r.prompt = random_ids(prompt, model_.config().vocab_size, ++submitted_);
    r.sequences = {submitted_};
    r.max_tokens = longest - prompt;
    tokens_ += prompt;
    lengths_[engine_.submit(std::move(r))] = prompt;
  }
  /// One step of the engine; what ends is replaced. Returns how many tokens were drawn.
  size_t step() {
    const std::vector<TokenEvent> events = engine_.step();
    for (const TokenEvent& event : events) {
      ++tokens_;
      ++lengths_[event.request];
      if (!event.ended) continue;
      forget(event.request);
      submit(1, kLongest);
    }
    return events.size();
  }
  void forget(uint64_t request) {
    tokens_ -= lengths_[request];
    lengths_.erase(request);
  }
  void end_all() {
    while (!lengths_.empty()) {
      engine_.cancel(lengths_.begin()->first, 0);
      forget(lengths_.begin()->first);
    }
  }
  /// Different ones that the last forward chose, over all layers.
  int64_t used_experts() {
    int64_t used = 0;
    for (int64_t layer = 0; layer < model_.config().n_layers; ++layer)
      if (Moe* moe = model_.moe_of(layer)) {
        const auto chosen = moe->last_routing().experts.span<int32_t>();
        used += static_cast<int64_t>(std::set<int32_t>(chosen.begin(), chosen.end()).size());
      }
    return used;
  }

  DeepseekV3& model_;
  Engine engine_;
  uint64_t submitted_ = 0;
  int64_t tokens_ = 0;                   ///< of all that are in flight, those just drawn included
  std::map<uint64_t, int64_t> lengths_;  ///< by request
  std::vector<Shares> shares_;           ///< by round
  std::vector<double> contexts_;
};

}  // namespace

std::vector<DecodeBench> bench_rollout(const BenchOptions& o) {
  const std::unique_ptr<DeepseekV3> model = random_model(o, MlaForm::absorbed);
  std::vector<std::unique_ptr<DecodeCase>> all;
  all.push_back(std::make_unique<RollingEngine>(*model, o.sequences > 0 ? o.sequences : 512));
  all.push_back(std::make_unique<RollingEngine>(*model, 1));
  return measure_decoding(std::move(all), o);
}

}  // namespace nuri
