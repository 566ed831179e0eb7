// Rewards of the answers to one prompt, against each other.
#pragma once

#include <span>
#include <vector>

namespace nuri::rl {

/// All equal, bit for bit: the group says nothing about which answer is better.
bool all_equal(std::span<const double> rewards);
/// r - mean; zeros where all are equal.
std::vector<double> centred(std::span<const double> rewards);
/// (r - mean) / (std + 1e-6) with the population's std; zeros where all are equal.
std::vector<double> standardised(std::span<const double> rewards);

}  // namespace nuri::rl
