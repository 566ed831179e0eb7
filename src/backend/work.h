// What a call of a kernel asks for, for profiles: name, shape, operations and bytes, each operand counted once.
#pragma once

#include <optional>
#include <span>

#include "base/profile.h"
#include "tensor/memory.h"

namespace nuri {

struct PackArgs;
struct ProductArgs;
struct AttentionArgs;
struct AttentionGradArgs;
struct RmsNormArgs;
struct RmsNormGradArgs;
struct RopeArgs;
struct EmbeddingArgs;
struct EmbeddingGradArgs;
struct SwigluArgs;
struct SwigluGradArgs;
struct RouterArgs;
struct RouterGradArgs;
struct CombineArgs;
struct CombineGradArgs;
struct GatherGradArgs;
struct LogSumExpArgs;
struct SamplerLogitsArgs;
struct SoftmaxWeightsArgs;
struct CrossEntropyGradArgs;
struct AddArgs;
struct RoundArgs;
struct AdamWArgs;
struct AxpbyArgs;
struct MuonMomentumArgs;
struct MuonUpdateArgs;
struct SquareSumArgs;

profile::Work work_of(const std::span<const PackArgs>& items);
profile::Work work_of(const std::span<const ProductArgs>& items);
profile::Work work_of(const AttentionArgs& args);
profile::Work work_of(const AttentionGradArgs& args);
profile::Work work_of(const RmsNormArgs& args);
profile::Work work_of(const RmsNormGradArgs& args);
profile::Work work_of(const RopeArgs& args);
profile::Work work_of(const EmbeddingArgs& args);
profile::Work work_of(const EmbeddingGradArgs& args);
profile::Work work_of(const SwigluArgs& args);
profile::Work work_of(const SwigluGradArgs& args);
profile::Work work_of(const RouterArgs& args);
profile::Work work_of(const RouterGradArgs& args);
profile::Work work_of(const CombineArgs& args);
profile::Work work_of(const CombineGradArgs& args);
profile::Work work_of(const GatherGradArgs& args);
profile::Work work_of(const LogSumExpArgs& args);
profile::Work work_of(const SamplerLogitsArgs& args);
profile::Work work_of(const SoftmaxWeightsArgs& args);
profile::Work work_of(const CrossEntropyGradArgs& args);
profile::Work work_of(const AddArgs& args);
profile::Work work_of(const RoundArgs& args);
profile::Work work_of(const std::span<const AdamWArgs>& items);
profile::Work work_of(const AxpbyArgs& args);
profile::Work work_of(const MuonMomentumArgs& args);
profile::Work work_of(const MuonUpdateArgs& args);
profile::Work work_of(const std::span<const SquareSumArgs>& items);

/// Records a kernel while alive, where a profile is being taken. reference: the chip has none for it.
template <class Args>
class Profiled {
 public:
  Profiled(const Args& args, bool reference) {
    if (!profile::on() || meta_active()) return;
    profile::Work work = work_of(args);
    work.reference = reference;
    kernel_.emplace(std::move(work));
  }

 private:
  std::optional<profile::Kernel> kernel_;
};

}  // namespace nuri
