// The devices a plan can be made for: dense peak rates, memory, links, power and prices, as vendors and listings state
// them (docs/plan.md names the sources). One row each in hardware.cpp; a CSV file of the same columns adds others.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nuri::plan {

enum class Precision : uint8_t { fp32, bf16, fp8, fp4 };  ///< of the matrix products; 16-bit floats alike
std::string_view precision_name(Precision precision);
/// "bf16", "fp16", "fp8", "mxfp8", "fp8-blockwise", "nvfp4", ... Errors: another name.
Precision parse_precision(std::string_view text, std::string_view where);

/// 0 where nothing is published. Rates in 10^12 FLOP/s, memory in 10^9 bytes, bandwidths in 10^9 bytes/s.
struct Device {
  std::string name;
  double fp32 = 0, bf16 = 0, fp8 = 0, fp4 = 0;  ///< dense peaks
  double memory_gb = 0, memory_gbs = 0;
  double link_gbs = 0;                 ///< to its neighbours in the node, one direction
  double network_gbs = 0;              ///< its share of the node's network, one direction
  int node = 8;                        ///< devices that the link joins
  double host_gbs = 0;                 ///< to the memory of the host, one direction
  double watts = 0;                    ///< thermal design power
  double rent_low = 0, rent_high = 0;  ///< US dollars an hour
  double price_usd = 0;                ///< to buy one

  double peak(Precision precision) const;  ///< FLOP/s
};

std::span<const Device> devices();
/// By name, or by a beginning that only one device has. Errors: none, several; the nearest names are listed.
const Device& find_device(std::string_view name);
/// Devices of a CSV file with the columns of `nuri plan hardware --csv`.
std::vector<Device> read_devices(const std::filesystem::path& path);

}  // namespace nuri::plan
