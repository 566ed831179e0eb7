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
    0.885553442578002,     // product_16
    0.8624921500985885,    // product_8
    0.6373818264526012,    // product_4
    0.9011499657807971,    // product_grouped
    96.33840421581479,     // product_half
    0.36856595607677456,   // attention
    363.6061348308295,     // attention_half
    0.8986232597487221,    // memory
    37.460805992006755,    // elementwise
    8.36215443184275,      // activation
    2.7523328070218023,    // quantise
    51.43977530628474,     // permute
    0.000457446709710607,  // layer_gap
    0.005904393941341474,  // expert_gap
    0.0543796385554268,    // step_gap
    0.7807883093061805,    // link
    0.8062844156247065,    // network
    0.29264305700077586,   // hidden_tp
    2.068063393994659,     // hidden_ep
    4.348201074691432,     // hidden_dp
    0.24048782297013546,   // gathered
    1.155520594726418,     // power
    0.004157904419582627,  // straggler
    0.9179245180216026,    // goodput
    0.8785583992891102,    // unstated
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
