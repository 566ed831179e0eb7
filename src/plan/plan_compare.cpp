// Plans side by side, from the JSON that they were written as.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "plan/plan_names.h"

namespace nuri::plan {
namespace {

/// The name of a model's directory or file, at most `length` characters.
std::string short_name(const std::string& model, size_t length) {
  size_t end = model.find_last_not_of('/') + 1;
  size_t begin = end == 0 ? 0 : model.find_last_of('/', end - 1) + 1;
  if (model.ends_with("config.json") && begin > 1) {
    end = begin - 1;
    begin = model.find_last_of('/', end - 1) + 1;
  }
  std::string name = model.substr(begin, end - begin);
  size_t at = 0;
  for (size_t n = 0; n < length && at < name.size(); ++n) do
      ++at;
    while (at < name.size() && (static_cast<unsigned char>(name[at]) & 0xc0) == 0x80);
  return name.substr(0, at);
}

}  // namespace

std::vector<std::vector<report::Label>> compare_rows(const std::vector<OrderedJson>& plans) {
  struct Row {
    report::Label name;
    std::string (*value)(const OrderedJson&);
  };
  static const Row kRows[] = {
      {{"model", "모델"}, [](const OrderedJson& p) { return short_name(p.at("model").get<std::string>(), 22); }},
      {{"hardware", "장치"}, [](const OrderedJson& p) { return p.at("hardware").get<std::string>(); }},
      {{"devices", "장치 수"}, [](const OrderedJson& p) { return fmt::format("{}", p.at("devices").get<int64_t>()); }},
      {{"precision", "정밀도"}, [](const OrderedJson& p) { return p.at("precision").get<std::string>(); }},
      {{"step, s", "스텝, 초"},
       [](const OrderedJson& p) {
         return fmt::format("{:.4g}", p.at("stages").at(0).at("step_seconds").get<double>());
       }},
      {"MFU, %",
       [](const OrderedJson& p) { return fmt::format("{:.1f}", 100 * p.at("stages").at(0).at("mfu").get<double>()); }},
      {{"device-hours", "장치·시간"},
       [](const OrderedJson& p) { return quantity_text(p.at("device_hours").get<double>()); }},
      {{"days", "일"}, [](const OrderedJson& p) { return fmt::format("{:.4g}", p.at("days").get<double>()); }},
      {{"memory, GB", "메모리, GB"},
       [](const OrderedJson& p) {
         return fmt::format("{:.1f}", 1e-9 * p.at("memory_bytes_per_device").at("total").get<double>());
       }},
      {{"energy, MWh", "전력량, MWh"},
       [](const OrderedJson& p) { return fmt::format("{:.4g}", p.at("energy_mwh").get<double>()); }},
      {{"rent, USD", "임대료, 달러"},
       [](const OrderedJson& p) {
         const OrderedJson& rent = p.at("usd").at("rent");
         return rent.is_number() ? fmt::format("{:.6g}", rent.get<double>()) : "-";
       }},
  };
  std::vector<std::vector<report::Label>> out;
  for (const Row& row : kRows) {
    out.push_back({row.name});
    for (const OrderedJson& plan : plans) out.back().emplace_back(row.value(plan));
  }
  return out;
}

std::string compare_text(const std::vector<OrderedJson>& plans) {
  std::string out;
  for (const std::vector<report::Label>& row : compare_rows(plans)) {
    out += fmt::format("{:<13}", row[0].en);
    for (size_t i = 1; i < row.size(); ++i) out += fmt::format(" {:>22}", row[i].en);
    out += "\n";
  }
  return out;
}

}  // namespace nuri::plan
