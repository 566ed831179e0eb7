#include "plan/constants.h"

namespace nuri::plan {
namespace {

constexpr ConstantInfo kInfos[kConstants] = {
    {"product_16", "of the 16-bit peak", 0.80, 0.08, "reached by large dense products",
     "vendors' own benchmarks of libraries"},
    {"product_8", "of the 8-bit peak", 0.72, 0.1, "the same in 8 bits", "as above"},
    {"product_4", "of the 4-bit peak", 0.55, 0.3, "the same in 4 bits", "as above"},
    {"product_grouped", "of product_*", 0.85, 0.1, "grouped products of experts beside dense ones",
     "DeepGEMM's tables"},
    {"product_half", "length of the sum, 16 bits", 400, 0.6,
     "at which a product reaches half of its rate; longer in proportion where a format is faster",
     "tables of libraries by K"},
    {"attention", "of the 16-bit peak", 0.5, 0.3,
     "attention's two products, forward; backward 2.5 times the operations", "FlashAttention 2 and 3"},
    {"attention_half", "tokens", 1000, 0.6,
     "sequence at which attention reaches half of that rate (masks, short loops)", "FlashAttention tables by length"},
    {"memory", "of the bandwidth", 0.85, 0.06, "reached by operands of products and by elementwise work",
     "copies reach 85 to 92 %"},
    {"elementwise", "bytes per token, layer and width", 60, 0.4, "norms, residuals, rope, casts: forward and backward",
     "about 15 passes of 16 and 32 bits"},
    {"activation", "bytes per token, layer and FFN width", 16, 0.4, "activation function, forward and backward",
     "8 passes of 16 bits"},
    {"quantise", "bytes per token and operand value", 4, 0.5,
     "8 and 4 bit: scales, casts, transposes, forward and backward", "2 to 3 passes"},
    {"permute", "bytes per routed copy and width", 24, 0.5, "experts: gathering, scattering, weighting",
     "6 passes forward and backward"},
    {"layer_gap", "s per layer and micro-batch", 500e-6, 0.6,
     "the host needs to issue its kernels, forward and backward", "100 kernels of about 5 us"},
    {"expert_gap", "s per expert layer and micro-batch", 1000e-6, 0.8,
     "the same for routing and dispatch, with their waits for the device", "200 kernels, two synchronisations"},
    {"step_gap", "s per step", 0.02, 0.3, "what happens once a step: clipping, logging, loading", "traces"},
    {"link", "of the link's rate", 0.75, 0.12, "reached between devices of a node", "NCCL's bus bandwidth"},
    {"network", "of the network's rate", 0.7, 0.15, "reached between nodes",
     "NCCL's bus bandwidth; DeepEP 43 to 58 of 50 GB/s"},
    {"hidden_tp", "of the time", 0.4, 0.5, "of tensor and context exchange that hides behind computing", "async TP"},
    {"hidden_ep", "exponent", 1.5, 0.4, "overlap of the experts' all-to-all with computing, as hidden_dp",
     "plain dispatch hides nothing (1), DualPipe nearly all"},
    {"hidden_dp", "exponent", 2.5, 0.4, "overlap of gradients and weights with computing: (a^p + b^p)^(1/p)",
     "1 none, large all"},
    {"gathered", "of computing", 0.1, 0.6,
     "added where weights are gathered for each module (ZeRO 3): multiprocessors taken, copies", "traces of FSDP"},
    {"power", "exponent", 0.7, 0.5, "rate lost where power is short",
     "clocks under load: rate follows power to 1/2 to 1"},
    {"straggler", "per doubling of nodes", 0.004, 0.1, "waiting for the slowest", "weak scaling tables"},
    {"goodput", "of the time", 0.92, 0.004, "of a whole run that makes steps: restarts, evaluation, warm-up excluded",
     "Llama 3: above 0.9"},
    {"unstated", "of the speed", 0.8, 0.3, "of the fastest layout that a run reaches whose layout is not published",
     "no source: such runs were not searched"},
};

// As `nuri plan published RUNS --constants` fits them to all published runs; a test compares.
constexpr std::array<double, kConstants> kFittedValues = {
    0.8855621593466638,      // product_16
    0.8624876160764486,      // product_8
    0.6373809197440294,      // product_4
    0.9011437838457101,      // product_grouped
    96.33775612135564,       // product_half
    0.36857189998163337,     // attention
    363.6170941521761,       // attention_half
    0.8986201887963418,      // memory
    37.460018165033766,      // elementwise
    8.361941456550847,       // activation
    2.7525544887301114,      // quantise
    51.48960593805068,       // permute
    0.00045744274712338065,  // layer_gap
    0.005903368007109525,    // expert_gap
    0.054376404398609406,    // step_gap
    0.7808138256500357,      // link
    0.8062746469464731,      // network
    0.29266276680443665,     // hidden_tp
    2.0687973332095697,      // hidden_ep
    4.348250392312742,       // hidden_dp
    0.24047540116708596,     // gathered
    1.155618550287053,       // power
    0.00415797219956454,     // straggler
    0.9179234412256942,      // goodput
    0.878560537891195,       // unstated
};

}  // namespace

std::span<const ConstantInfo, kConstants> constant_infos() { return kInfos; }

Constants prior_constants() {
  Constants c;
  for (size_t i = 0; i < kConstants; ++i) c.value[i] = kInfos[i].prior;
  return c;
}

const Constants& fitted_constants() {
  static constexpr Constants kFitted{{kFittedValues}};
  return kFitted;
}

}  // namespace nuri::plan
