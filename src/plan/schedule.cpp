#include "plan/schedule.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "plan/dualpipe.h"

namespace nuri::plan {
namespace {

struct Op {
  PipelineOp op;
  int64_t micro, chunk;
};

/// Order of a stage's operations without those of weights.
std::vector<Op> order_of(int64_t stage, int64_t stages, int64_t chunks, int64_t micros) {
  std::vector<Op> forwards, backwards, out;
  // Groups of `stages` micro-batches pass chunk after chunk; backward in the reverse order of chunks.
  for (int64_t group = 0; group * stages < micros; ++group)
    for (int64_t chunk = 0; chunk < chunks; ++chunk)
      for (int64_t i = group * stages; i < std::min(micros, (group + 1) * stages); ++i) {
        forwards.push_back({PipelineOp::forward, i, chunk});
        backwards.push_back({PipelineOp::backward, i, chunks - 1 - chunk});
      }
  const auto total = static_cast<int64_t>(forwards.size());
  const int64_t warm =
      std::min(total, chunks == 1 ? stages - 1 - stage : (stages - 1 - stage) * 2 + (chunks - 1) * stages);
  for (int64_t i = 0; i < warm; ++i) out.push_back(forwards[static_cast<size_t>(i)]);
  for (int64_t i = 0; i < total; ++i) {
    if (warm + i < total) out.push_back(forwards[static_cast<size_t>(warm + i)]);
    out.push_back(backwards[static_cast<size_t>(i)]);
  }
  return out;
}

class Simulation {
 public:
  Simulation(Schedule schedule, int64_t stages, int64_t chunks, int64_t micros, const ChunkTime& time)
      : split_(schedule == Schedule::zero_bubble),
        stages_(stages),
        chunks_(chunks),
        micros_(micros),
        time_(time),
        done_(static_cast<size_t>(2 * stages * chunks * micros), -1),
        state_(static_cast<size_t>(stages)) {
    for (int64_t s = 0; s < stages; ++s) state_[static_cast<size_t>(s)].order = order_of(s, stages, chunks, micros);
  }

  PipelineRun run() {
    PipelineRun out;
    for (;;) {
      // The operation that can start first, of all stages.
      int64_t best = -1;
      double start = HUGE_VAL;
      bool weight = false;
      for (int64_t s = 0; s < stages_; ++s) {
        const auto [at, is_weight] = next(s);
        if (at < start) {
          start = at;
          best = s;
          weight = is_weight;
        }
      }
      if (best < 0) break;
      out.slots.push_back(take(best, start, weight));
      out.seconds = std::max(out.seconds, out.slots.back().end);
      for (const State& state : state_) out.in_flight = std::max(out.in_flight, state.held);
    }
    double busy = 0;
    for (const PipelineSlot& slot : out.slots) busy += slot.end - slot.start;
    out.idle = out.seconds - busy / static_cast<double>(stages_);
    return out;
  }

 private:
  struct State {
    std::vector<Op> order;
    size_t at = 0;
    double free = 0;
    std::vector<Op> weights;  // that wait
    int64_t held = 0;         // micro-batches forward and not wholly backward
  };

  double& finished(PipelineOp op, int64_t stage, const Op& of) {
    const int64_t kind = op == PipelineOp::forward ? 0 : 1;
    return done_[static_cast<size_t>(((kind * chunks_ + of.chunk) * stages_ + stage) * micros_ + of.micro)];
  }

  /// When an operation's input is there; infinite where nobody knows yet.
  double ready(int64_t stage, const Op& op) {
    const auto known = [](double t) { return t < 0 ? HUGE_VAL : t; };
    if (op.op == PipelineOp::forward) {
      if (stage > 0) return known(finished(PipelineOp::forward, stage - 1, op));
      return op.chunk == 0 ? 0 : known(finished(PipelineOp::forward, stages_ - 1, {op.op, op.micro, op.chunk - 1}));
    }
    if (stage < stages_ - 1) return known(finished(PipelineOp::backward, stage + 1, op));
    return op.chunk == chunks_ - 1 ? known(finished(PipelineOp::forward, stage, op))
                                   : known(finished(PipelineOp::backward, 0, {op.op, op.micro, op.chunk + 1}));
  }

  std::pair<double, bool> next(int64_t stage) {
    State& s = state_[static_cast<size_t>(stage)];
    double at = HUGE_VAL;
    if (s.at < s.order.size()) {
      const Op& op = s.order[s.at];
      at = std::max(s.free, ready(stage, op));
      // No more may be held than the first stage of 1F1B holds.
      if (split_ && op.op == PipelineOp::forward && s.held >= stages_ && !s.weights.empty()) return {s.free, true};
    }
    if (!s.weights.empty() && at > s.free) return {s.free, true};
    return {at, false};
  }

  PipelineSlot take(int64_t stage, double start, bool weight) {
    State& s = state_[static_cast<size_t>(stage)];
    Op op{};
    double seconds = time_.weight;
    if (weight) {
      op = {PipelineOp::weight, s.weights.front().micro, s.weights.front().chunk};
      s.weights.erase(s.weights.begin());
      --s.held;
    } else {
      op = s.order[s.at++];
      seconds = op.op == PipelineOp::forward ? time_.forward : time_.backward - (split_ ? time_.weight : 0);
      if (op.op == PipelineOp::forward) ++s.held;
      if (op.op == PipelineOp::backward && split_) s.weights.push_back(op);
      if (op.op == PipelineOp::backward && !split_) --s.held;
      finished(op.op, stage, op) = start + seconds;
    }
    s.free = start + seconds;
    return {stage, op.micro, op.chunk, op.op, start, s.free};
  }

  bool split_;
  int64_t stages_, chunks_, micros_;
  ChunkTime time_;
  std::vector<double> done_;  // [forward or backward, chunk, stage, micro]
  std::vector<State> state_;
};

}  // namespace

PipelineRun simulate(Schedule schedule, int64_t stages, int64_t chunks, int64_t micro_batches, const ChunkTime& time) {
  NURI_CHECK(chunks == 1 || (schedule != Schedule::zero_bubble && schedule != Schedule::dualpipe),
             "pipeline: {} has one chunk a stage here, found vp {}", schedule_name(schedule), chunks);
  if (schedule == Schedule::dualpipe) return simulate_dualpipe(stages, micro_batches, time);
  NURI_CHECK(chunks == 1 || micro_batches % stages == 0,
             "pipeline: {} micro-batches with interleaving (vp {}); a multiple of pp = {} is needed, for example {}",
             micro_batches, chunks, stages, (micro_batches / stages + 1) * stages);
  return Simulation(schedule, stages, chunks, micro_batches, time).run();
}

double idle_by_formula(Schedule schedule, int64_t stages, const ChunkTime& time) {
  const auto p = static_cast<double>(stages);
  const double both = time.forward + time.backward;  // of a chunk
  if (stages <= 1) return 0;
  if (schedule == Schedule::zero_bubble)
    return (p - 1) * std::max(0.0, 2 * std::max(time.forward, time.backward - time.weight) - time.weight);
  if (schedule == Schedule::dualpipe) {
    const double times = p / 2 - 1, slower = std::max(0.0, time.weight - time.forward);
    return times * (time.forward + std::max(time.forward, time.weight)) - std::min(time.forward, times * slower);
  }
  return (p - 1) * both;
}

std::string draw(const PipelineRun& run, int64_t stages, int64_t width) {
  constexpr char kMarks[] = "FBW&";  // by PipelineOp
  std::vector<std::string> lines(static_cast<size_t>(stages), std::string(static_cast<size_t>(width), '.'));
  for (const PipelineSlot& slot : run.slots) {
    const auto column = [&](double t) {
      return std::clamp<int64_t>(std::llround(t / run.seconds * static_cast<double>(width)), 0, width);
    };
    const int64_t from = std::min(column(slot.start), width - 1), to = std::max(from + 1, column(slot.end));
    const char mark = kMarks[static_cast<size_t>(slot.op)];
    std::string& line = lines[static_cast<size_t>(slot.stage)];
    for (int64_t i = from; i < std::min(to, width); ++i) line[static_cast<size_t>(i)] = mark;
  }
  std::string out;
  for (int64_t s = 0; s < stages; ++s) out += fmt::format("{:>3} {}\n", s, lines[static_cast<size_t>(s)]);
  return out;
}

}  // namespace nuri::plan
