#include "plan/hardware.h"

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/nearest.h"
#include "plan/csv.h"

namespace nuri::plan {
namespace {

// Host links: PCIe 4 x16 about 25, PCIe 5 x16 about 50 GB/s reached, 300 where a chip-to-chip link joins both (half of
// what a superchip's two GPUs share). H100-SXM-96GB-500W: no peak is published, that of the same chip at full power
// stands here and its power limit lowers what is reached. Prices in won at 1,450 to the dollar.
const Device kDevices[] = {
    // name, fp32, bf16, fp8, fp4, memory, bandwidth, link, network, node, host, watts, rent low, rent high, price
    {"V100-SXM2-32GB", 15.7, 125, 0, 0, 32, 900, 150, 6.25, 8, 12, 300, 0, 0, 0},
    {"A100-SXM-40GB", 19.5, 312, 0, 0, 40, 1555, 300, 25, 8, 25, 400, 0, 0, 0},
    {"A100-SXM-80GB", 19.5, 312, 0, 0, 80, 2039, 300, 25, 8, 25, 400, 0.8, 3, 0},
    {"H100-SXM-80GB", 67, 989, 1979, 0, 80, 3350, 450, 50, 8, 50, 700, 1.47, 6.88, 34483},
    {"H100-SXM-96GB-500W", 0, 989, 1979, 0, 96, 2400, 450, 50, 8, 50, 500, 0, 0, 0},
    {"H100-PCIe-80GB", 0, 756, 1513, 0, 80, 2000, 64, 0, 8, 50, 350, 0, 0, 0},
    {"H100-NVL-94GB", 0, 835, 1671, 0, 94, 3900, 300, 0, 8, 50, 400, 0, 0, 0},
    {"H200-SXM-141GB", 67, 989, 1979, 0, 141, 4800, 450, 50, 8, 50, 700, 2.3, 7, 0},
    {"H800-SXM-80GB", 0, 989, 1979, 0, 80, 3352, 200, 50, 8, 50, 700, 2, 2, 0},
    {"H20-96GB", 0, 148, 296, 0, 96, 4000, 450, 25, 8, 50, 0, 0, 0, 0},
    {"B200-SXM-180GB", 0, 2250, 4500, 9000, 180, 7700, 900, 50, 8, 50, 1000, 6.03, 8.6, 0},
    {"B300-SXM-270GB", 0, 2250, 4500, 13500, 270, 7700, 900, 100, 8, 50, 1100, 0, 0, 0},
    {"GB200-186GB", 0, 2450, 4900, 9800, 186, 8000, 900, 50, 72, 300, 1200, 9.08, 10.5, 0},
    {"GB300-279GB", 0, 2450, 4900, 14700, 279, 8000, 900, 100, 72, 300, 1400, 0, 0, 0},
    {"MI300X-192GB", 163.4, 1307.4, 2614.9, 0, 192, 5300, 448, 50, 8, 50, 750, 1.71, 1.85, 0},
    {"MI325X-256GB", 163.4, 1307.4, 2614.9, 0, 256, 6000, 448, 50, 8, 50, 1000, 2, 2.25, 0},
    {"MI355X-288GB", 0, 2500, 5000, 10000, 288, 8000, 0, 0, 8, 50, 1400, 0, 0, 0},
    {"L40S-48GB", 91.6, 362, 733, 0, 48, 864, 32, 0, 8, 25, 350, 2.25, 2.25, 0},
    {"RTX4090-24GB", 82.58, 165.2, 330.3, 0, 24, 1008, 32, 0, 8, 25, 450, 0, 0, 1599},
    {"RTX5090-32GB", 104.8, 209.5, 419, 1676, 32, 1792, 64, 0, 8, 50, 575, 0, 0, 1999},
    {"RTX-PRO-6000-96GB", 0, 503.8, 1007.6, 2015.2, 96, 1792, 64, 0, 8, 50, 600, 0, 0, 0},
    {"RTX3090-24GB", 35.6, 71, 0, 0, 24, 936, 32, 0, 8, 25, 350, 0, 0, 1499},
    {"TPUv3", 0, 123, 0, 0, 32, 900, 0, 0, 8, 0, 0, 0, 0, 0},
    {"TPUv4", 0, 275, 0, 0, 32, 1200, 0, 0, 8, 0, 0, 0, 0, 0},
    {"Gaudi3-128GB", 0, 1835, 1835, 0, 128, 3700, 600, 0, 8, 50, 900, 0, 0, 15625},
    {"Ascend-910B", 0, 376, 0, 0, 64, 0, 0, 0, 8, 0, 310, 0, 0, 0},
    {"Ascend-910C", 0, 752, 0, 0, 128, 3200, 392, 50, 8, 0, 0, 0, 0, 0},
    {"Rebellions-ATOM", 0, 32, 0, 0, 16, 0, 64, 0, 8, 0, 0, 0, 0, 0},
    {"Rebellions-REBEL-Quad", 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0},
    {"Furiosa-Warboy", 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0},
    {"Furiosa-RNGD", 0, 256, 512, 0, 48, 1500, 64, 0, 8, 0, 180, 0, 0, 0},
};

struct NamedPrecision {
  std::string_view name;
  Precision precision;
};
constexpr NamedPrecision kPrecisions[] = {
    {"fp32", Precision::fp32}, {"bf16", Precision::bf16}, {"fp16", Precision::bf16},
    {"fp8", Precision::fp8},   {"mxfp8", Precision::fp8}, {"fp8-blockwise", Precision::fp8},
    {"nvfp4", Precision::fp4}, {"fp4", Precision::fp4},   {"mxfp4", Precision::fp4},
};

}  // namespace

std::string_view precision_name(Precision precision) {
  for (const NamedPrecision& row : kPrecisions)
    if (row.precision == precision) return row.name;
  return "?";
}

Precision parse_precision(std::string_view text, std::string_view where) {
  std::vector<std::string_view> names;
  for (const NamedPrecision& row : kPrecisions) {
    if (row.name == text) return row.precision;
    names.push_back(row.name);
  }
  fail("{}: found \"{}\"{}; bf16, fp16, fp8, mxfp8, fp8-blockwise, nvfp4 and fp32 are known", where, text.substr(0, 40),
       did_you_mean(text, names));
}

double Device::peak(Precision precision) const {
  switch (precision) {
    case Precision::fp32:
      return fp32 * 1e12;
    case Precision::bf16:
      return bf16 * 1e12;
    case Precision::fp8:
      return fp8 * 1e12;
    case Precision::fp4:
      return fp4 * 1e12;
  }
  return 0;
}

std::span<const Device> devices() { return kDevices; }

const Device& find_device(std::string_view name) {
  const Device* found = nullptr;
  std::string several;
  std::vector<std::string_view> names;
  for (const Device& d : kDevices) {
    if (d.name == name) return d;
    names.push_back(d.name);
    if (name.empty() || !d.name.starts_with(name)) continue;
    found = several.empty() ? &d : nullptr;
    several += (several.empty() ? "" : ", ") + d.name;
  }
  NURI_CHECK(several.empty() || found, "hardware \"{}\" may be {}; write one of them in full", name, several);
  NURI_CHECK(found, "hardware: no \"{}\"{}; `nuri plan hardware` lists all, --hardware-file adds others",
             name.substr(0, 60), did_you_mean(name, names));
  return *found;
}

std::vector<Device> read_devices(const std::filesystem::path& path) {
  const CsvTable table(read_file(path, 16 << 20), path.string());
  std::vector<Device> out;
  for (size_t i = 0; i < table.size(); ++i) {
    Device d;
    const auto value = [&](std::string_view column) {
      const double v = table.has(column) ? table.number(i, column) : NAN;
      NURI_CHECK(!(v < 0) && !(v > 1e12), "{}: {}: found {}; a number from 0 to 10^12 is needed", table.where(i),
                 column, v);
      return std::isnan(v) ? 0 : v;
    };
    d.name = table.cell(i, "name");
    NURI_CHECK(!d.name.empty(), "{}: name: nothing stands there; a device needs a name", table.where(i));
    d.fp32 = value("fp32_tflops");
    d.bf16 = value("bf16_tflops");
    if (d.bf16 == 0) d.bf16 = value("fp16_tflops");
    d.fp8 = value("fp8_tflops");
    d.fp4 = value("fp4_tflops");
    d.memory_gb = value("mem_gb");
    d.memory_gbs = value("mem_bw_gbs");
    d.link_gbs = value("intra_link_gbs_per_dir");
    d.network_gbs = value("inter_node_gbs_per_gpu_typical");
    if (const double node = value("node"); node >= 1) d.node = static_cast<int>(std::min(node, 1e6));
    d.host_gbs = value("host_gbs");
    d.watts = value("tdp_w");
    d.rent_low = value("rent_usd_h_low");
    d.rent_high = value("rent_usd_h_high");
    d.price_usd = value("price_usd");
    out.push_back(std::move(d));
  }
  return out;
}

}  // namespace nuri::plan
