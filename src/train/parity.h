// Comparing a model directory with what an independent implementation says about it: how a new build or chip is brought
// up. Beside config.json and weights the directory may hold (all optional):
//   outputs.safetensors    tokens, documents [rows, length + 1]; whole.* and packed.* logits, mtp_logits, hidden.<i>,
//                          <layer>.experts, <layer>.weights
//   gradients.safetensors  whole.<name>, packed.<name>
//   training.safetensors   batches [steps, rows, length + 1], final.<name>
//   expected.json          hyperparameters, losses, steps (AdamW), muon_steps (the same batches with Muon),
//                          transformers.bfloat16_rms_relative
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace nuri {

struct ParityRow {
  std::string what;                                  ///< "whole.logits, expanded"
  double measured = 0;                               ///< relative deviation, or a count
  double bound = 0;                                  ///< largest allowed
  std::string detail;                                ///< the worst tensor, the number of experts that differ
  bool passed() const { return measured <= bound; }  // NaN does not pass
};

struct ParityReport {
  std::vector<ParityRow> rows;
  std::vector<std::string> absent;  ///< what the directory's files do not allow, and why
  std::vector<std::string> notes;
  bool passed() const;
};

/// Bounds of profile x1 against a float64 reference (relative to the largest value, or in the 2-norm).
struct ParityBounds {
  double output = 2e-5;    ///< max |a - b| / max |b|
  double gradient = 2e-5;  ///< ||a - b|| / ||b||
  double loss = 1e-5;      ///< |a - b| / |b|
  double grad_norm = 2e-4;
  double weights = 1e-4;      ///< ||a - b|| / ||b||
  double bf16 = 1.25;         ///< times the recorded rms deviation of another BF16 implementation
  double bf16_changed = 1.5;  ///< the same, where tokens change experts
};

ParityReport check_parity(const std::filesystem::path& directory, const ParityBounds& bounds = {});

}  // namespace nuri
