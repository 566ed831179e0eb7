#include "plan/dualpipe.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>

#include "base/error.h"

namespace nuri::plan {
namespace {

/// The operations of one rank in their order; `end` of a slot is what it takes.
class RankOrder {
 public:
  RankOrder(int64_t rank, int64_t ranks, int64_t micros, const ChunkTime& time)
      : rank_(rank), far_(rank >= ranks / 2 ? 1 : 0), each_(micros / 2), time_(time) {
    // Way 0 is the direction that enters at the nearer end, way 1 the other. From that end to here there are `outer`
    // ranks, and `inner` more to the middle.
    const int64_t outer = std::min(rank, ranks - 1 - rank) + 1, inner = ranks / 2 - outer;
    // Each rank takes in as many micro-batches as there are ranks; the first of way 1 has 2 inner + 1 farther to come.
    for (int64_t i = 0; i < 2 * inner; ++i) forward(0);
    for (int64_t i = 0; i < outer; ++i) {
      forward(0);
      forward(1);
    }
    // Way 1 turns at this end, and the ranks towards the middle wait for its gradients: those of weights stand back.
    for (int64_t i = 0; i < inner; ++i) {
      backward(1, true);
      weight();
      forward(1);
    }
    for (int64_t i = 0; i < each_ - ranks + outer; ++i) {
      if (i == 0 && inner == 0) {
        // The neighbour waits for the middle's first forward, which is there sooner when it runs alone.
        forward(0);
        backward(1, false);
      } else {
        both(0);
      }
      both(1);
    }
    for (int64_t i = 0; i < inner; ++i) {
      backward(1, false);
      both(1);
    }
    // No forward is left to run beside. From half of these on, gradients of weights are put off to fill the waits.
    for (int64_t i = 0; i < 2 * outer; ++i) backward(1 - i % 2, i >= outer);
    for (int64_t i = 0; i < inner; ++i) {
      weight();
      backward(0, true);
    }
    for (int64_t i = 0; i < outer; ++i) weight();
    NURI_ASSERT(put_off_.empty() && forwards_ == (std::array{each_, each_}) && backwards_ == forwards_);
  }

  std::vector<PipelineSlot> slots;
  int64_t most_held = 0;  // micro-batches of both directions, forward and not wholly backward

 private:
  int64_t direction(int64_t way) const { return way ^ far_; }
  int64_t next(std::array<int64_t, 2>& count, int64_t direction) const {
    return direction * each_ + count[static_cast<size_t>(direction)]++;
  }
  void add(PipelineOp op, int64_t micro, int64_t direction, double seconds, int64_t beside = -1) {
    slots.push_back({rank_, micro, direction, op, 0, seconds, beside});
  }
  void hold() { most_held = std::max(most_held, ++held_); }

  void forward(int64_t way) {
    const int64_t d = direction(way);
    add(PipelineOp::forward, next(forwards_, d), d, time_.forward);
    hold();
  }
  void backward(int64_t way, bool put_off) {
    const int64_t d = direction(way);
    add(PipelineOp::backward, next(backwards_, d), d, time_.backward - (put_off ? time_.weight : 0));
    if (put_off)
      put_off_.push_back(slots.back());
    else
      --held_;
  }
  /// A forward of this way, a backward of the other.
  void both(int64_t way) {
    const int64_t d = direction(way), micro = next(forwards_, d);
    add(PipelineOp::both, micro, d, time_.forward + time_.backward, next(backwards_, 1 - d));
    hold();
    --held_;
  }
  void weight() {
    add(PipelineOp::weight, put_off_.front().micro, put_off_.front().chunk, time_.weight);
    put_off_.pop_front();
    --held_;
  }

  int64_t rank_, far_, each_;
  ChunkTime time_;
  std::array<int64_t, 2> forwards_{}, backwards_{};
  std::deque<PipelineSlot> put_off_;
  int64_t held_ = 0;
};

class Simulation {
 public:
  Simulation(int64_t ranks, int64_t micros, const ChunkTime& time)
      : ranks_(ranks), micros_(micros), done_(static_cast<size_t>(2 * ranks * micros), HUGE_VAL) {
    for (int64_t r = 0; r < ranks; ++r) {
      RankOrder order(r, ranks, micros, time);
      in_flight_ = std::max(in_flight_, order.most_held);
      state_.push_back({std::move(order.slots)});
    }
  }

  PipelineRun run() {
    PipelineRun out{.slots = {}, .seconds = 0, .idle = 0, .in_flight = in_flight_};
    double busy = 0;
    for (;;) {
      // The operation that can start first, of all ranks.
      State* best = nullptr;
      double start = HUGE_VAL;
      for (State& s : state_) {
        if (s.at == s.order.size()) continue;
        const double at = std::max(s.free, ready(s.order[s.at]));
        if (at < start) {
          start = at;
          best = &s;
        }
      }
      if (!best) break;
      PipelineSlot slot = best->order[best->at++];
      busy += slot.end;
      slot.start = start;
      slot.end += start;
      best->free = slot.end;
      note(slot);
      out.seconds = std::max(out.seconds, slot.end);
      out.slots.push_back(slot);
    }
    NURI_ASSERT(std::all_of(state_.begin(), state_.end(), [](const State& s) { return s.at == s.order.size(); }));
    out.idle = out.seconds - busy / static_cast<double>(ranks_);
    return out;
  }

 private:
  struct State {
    std::vector<PipelineSlot> order;
    size_t at = 0;
    double free = 0;
  };

  /// When a micro-batch's pass through the n-th of its stages has ended; infinite where it has not.
  double& done(bool backward, int64_t micro, int64_t n) {
    return done_[static_cast<size_t>(((backward ? 1 : 0) * micros_ + micro) * ranks_ + n)];
  }
  int64_t stage(int64_t rank, int64_t direction) const { return direction == 0 ? rank : ranks_ - 1 - rank; }

  /// When an operation's input is there. Gradients of weights follow their own backward.
  double ready(const PipelineSlot& s) {
    const auto forward = [&](int64_t micro, int64_t n) { return n == 0 ? 0 : done(false, micro, n - 1); };
    const auto backward = [&](int64_t micro, int64_t n) {
      return n == ranks_ - 1 ? done(false, micro, n) : done(true, micro, n + 1);
    };
    const int64_t n = stage(s.stage, s.chunk);
    switch (s.op) {
      case PipelineOp::forward:
        return forward(s.micro, n);
      case PipelineOp::backward:
        return backward(s.micro, n);
      case PipelineOp::both:
        return std::max(forward(s.micro, n), backward(s.beside, stage(s.stage, 1 - s.chunk)));
      case PipelineOp::weight:
        break;
    }
    return 0;
  }

  void note(const PipelineSlot& s) {
    if (s.op == PipelineOp::weight) return;
    done(s.op == PipelineOp::backward, s.micro, stage(s.stage, s.chunk)) = s.end;
    if (s.op == PipelineOp::both) done(true, s.beside, stage(s.stage, 1 - s.chunk)) = s.end;
  }

  int64_t ranks_, micros_, in_flight_ = 0;
  std::vector<double> done_;  // [forward or backward, micro, stage]
  std::vector<State> state_;
};

}  // namespace

PipelineRun simulate_dualpipe(int64_t ranks, int64_t micro_batches, const ChunkTime& time) {
  NURI_CHECK(ranks >= 2 && ranks % 2 == 0,
             "pipeline: dualpipe needs an even number of stages, found {}; the nearest that works is {}", ranks,
             std::max<int64_t>(2, ranks + 1));
  NURI_CHECK(
      micro_batches >= 2 * ranks && micro_batches % 2 == 0,
      "pipeline: dualpipe with pp = {} needs an even number of micro-batches of at least {}, found {}; the nearest "
      "that works is {}",
      ranks, 2 * ranks, micro_batches, std::max(2 * ranks, micro_batches + micro_batches % 2));
  return Simulation(ranks, micro_batches, time).run();
}

}  // namespace nuri::plan
