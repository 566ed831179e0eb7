// A training job: what is trained, on what, and how it is spread. Degrees: tp tensor, cp context, pp pipeline, vp
// chunks of a pipeline stage, ep experts, etp tensor within an expert; what remains of the devices is data parallel.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "arch/shape.h"
#include "plan/hardware.h"

namespace nuri::plan {

enum class Recompute : uint8_t { none, selective, ffn, full };
enum class Schedule : uint8_t { one_f_one_b, interleaved, zero_bubble, dualpipe };
std::string_view recompute_name(Recompute recompute);
std::string_view schedule_name(Schedule schedule);

struct Layout {
  int64_t tp = 1, cp = 1, pp = 1, vp = 1, ep = 1, etp = 1;
  int zero = 1;             ///< 0 to 3: nothing, optimizer, gradients, weights too are sharded
  int64_t shard = 0;        ///< devices that share the sharded state; 0: all of data parallel
  int64_t micro_batch = 1;  ///< sequences at once
  Recompute recompute = Recompute::none;
  Schedule schedule = Schedule::one_f_one_b;
  bool overlap_experts = false;  ///< their exchange runs beside computing (two micro-batches at once)
  bool unfused = false;          ///< elementwise operations run one by one (no compiler, no fused kernels)
  bool graphs = false;           ///< a step is launched as recorded graphs: the host does not hold it up
  bool operator==(const Layout&) const = default;
};

struct Job {
  ModelShape shape;
  Device device;
  int64_t n_devices = 1;
  int64_t seq_len = 4096;
  double batch_tokens = 0;  ///< of a step
  Precision precision = Precision::bf16;
  bool lean_states = false;  ///< optimizer states and master weights in 16 bits
  bool offload = false;      ///< state that does not fit may lie in the host's memory
  bool frozen = false;       ///< the weights are (adapters learn): no weight gradients, no optimizer to speak of
  Layout layout;

  double data_parallel() const;
  /// Micro-batches of a step that one pipeline works on, at least 1.
  double micro_batches() const;
  /// Of a round: all stages' where chunks are interleaved, two with DualPipe, else one.
  double round_micro_batches() const;
  /// Those that it has time for: whole rounds.
  double whole_micro_batches() const;
  /// The fewest that the schedule can work with.
  double least_micro_batches() const;
  /// Tokens of a step of that many on every replica.
  double least_batch() const;
  /// Tokens of a step of one round on every replica.
  double round_tokens() const;
  /// Layers of the fullest stage (chunks are whole layers) over those of a stage on average, at least 1.
  double fullest_stage() const;
};

/// Throws where the degrees do not fit the devices, the model or each other, with the nearest that do.
void validate(const Job& job);

/// "tp=1 pp=16 ep=64 zero=1 mbs=1 recompute=selective schedule=dualpipe", in any order, by blanks or commas; also cp,
/// vp, etp, shard, overlap=experts. Errors: unknown names (the nearest is named), values out of range.
Layout parse_layout(const std::string& text);

/// "tp 4 pp 8 vp 2 ..."
std::string layout_text(const Layout& layout);

}  // namespace nuri::plan
