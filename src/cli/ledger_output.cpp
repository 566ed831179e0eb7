#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/ledger.h"
#include "plan/plan.h"
#include "report/page.h"
#include "train/metrics.h"

namespace nuri {
namespace {

double usd_of(const LedgerRun& run, Ledger& ledger) { return run.device_seconds / 3600 * ledger.price(); }
double won_of(const LedgerRun& run, Ledger& ledger) {
  return usd_of(run, ledger) * ledger.won_per_usd(run.record.started);
}

/// What a run took beside its plan, "+3.1 %"; nothing of one that did not get to its end.
std::string of_plan(const RunRecord& r) {
  return r.seconds_planned > 0 && r.outcome == "finished"
             ? fmt::format("{:+.1f} %", 100 * (r.seconds / r.seconds_planned - 1))
             : "-";
}

std::string group_of(const LedgerRun& run, const std::string& by) {
  const RunRecord& r = run.record;
  const std::string& value = by == "project"   ? r.project
                             : by == "kind"    ? r.kind
                             : by == "outcome" ? r.outcome
                                               : r.family;
  return value.empty() ? "-" : value;
}

/// A cell of CSV: quoted where it must be; a cell that a spreadsheet would take for a formula gets a quote before it.
std::string csv_cell(std::string text) {
  if (!text.empty() && std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos) text.insert(0, "'");
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

/// Time x peak of the machine; 0: no peak is known.
double flops_bound(const RunRecord& r) {
  const auto peak = r.results.find(kPeakGflops);
  return peak == r.results.end() ? 0 : r.seconds * peak->second * 1e9;
}

OrderedJson run_json_of(const LedgerRun& run, Ledger& ledger) {
  OrderedJson j = OrderedJson::parse(run_record_json(run.record));
  j["directory"] = run.directory;
  j["device_seconds"] = run.device_seconds;
  j["energy_wh"] = run.energy_wh;
  j["energy"] = run.energy_measured ? "measured" : "predicted";
  j["flops_method"] = "counted from the architecture";
  if (const double bound = flops_bound(run.record); bound > 0) j["flops_bound_by_time_x_peak"] = bound;
  j["usd"] = usd_of(run, ledger);
  j["krw"] = won_of(run, ledger);
  return j;
}

OrderedJson sums_json(const LedgerSums& s) {
  return {{"name", s.name},
          {"runs", s.runs},
          {"tokens", s.tokens},
          {"flops", s.flops},
          {"hours", s.hours},
          {"device_hours", s.device_hours},
          {"energy_wh", s.energy_wh},
          {"usd", s.usd},
          {"krw", s.won},
          {"training_runs", s.training_runs},
          {"training_flops", s.training_flops},
          {"training_runs_with_peak", s.bounded},
          {"training_flops_bound_by_time_x_peak", s.training_flops_bound},
          {"share_of_1e26_flops", s.training_flops / kActFlops}};
}

}  // namespace

std::vector<LedgerSums> ledger_sums(const std::vector<LedgerRun>& runs, const std::string& by, Ledger& ledger) {
  std::map<std::string, LedgerSums> groups;
  for (const LedgerRun& run : runs) {
    LedgerSums& s = groups[by.empty() ? "all" : group_of(run, by)];
    ++s.runs;
    s.tokens += run.record.tokens;
    s.flops += run.record.flops;
    const std::string& kind = run.record.kind;
    if (kind == "train" || kind == "sft" || kind == "rl") {
      const double bound = flops_bound(run.record);
      s.training_flops += run.record.flops;
      s.training_flops_bound += bound;
      s.bounded += bound > 0;
      ++s.training_runs;
    }
    s.hours += run.record.seconds / 3600;
    s.device_hours += run.device_seconds / 3600;
    s.energy_wh += run.energy_wh;
    s.usd += usd_of(run, ledger);
    s.won += won_of(run, ledger);
  }
  std::vector<LedgerSums> out;
  for (auto& [name, s] : groups) {
    s.name = name;
    out.push_back(s);
  }
  std::stable_sort(out.begin(), out.end(), [](const LedgerSums& a, const LedgerSums& b) { return a.flops > b.flops; });
  return out;
}

OrderedJson ledger_json(const std::vector<LedgerRun>& runs, Ledger& ledger) {
  OrderedJson out{{"runs", OrderedJson::array()}, {"usd_per_thread_hour", ledger.price()}};
  for (const LedgerRun& run : runs) out["runs"].push_back(run_json_of(run, ledger));
  for (const char* by : {"project", "kind", "outcome", "family"}) {
    OrderedJson rows = OrderedJson::array();
    for (const LedgerSums& s : ledger_sums(runs, by, ledger)) rows.push_back(sums_json(s));
    out["sums"][by] = rows;
  }
  return out;
}

std::string ledger_csv(const std::vector<LedgerRun>& runs, Ledger& ledger) {
  std::string out =
      "id,project,kind,outcome,started,ended,who,host,directory,commit,family,steps,tokens,flops,seconds,device_"
      "seconds,sessions,"
      "energy_wh,energy,usd,krw,seconds_planned,energy_wh_planned,usd_planned,parent_run,data_manifest_sha256,"
      "weights\n";
  for (const LedgerRun& run : runs) {
    const RunRecord& r = run.record;
    const auto weights = r.hashes.find("weights");
    for (const std::string& text :
         {r.id, r.project, r.kind, r.outcome, r.started, r.ended, r.who, r.host, run.directory, r.commit, r.family})
      out += csv_cell(text) + ",";
    out += fmt::format("{},{},{:.6g},{:.3f},{:.3f},{},{:.3f},{},{:.4f},{:.0f},{:.3f},{:.3f},{:.4f},{},{},{}\n", r.steps,
                       r.tokens, r.flops, r.seconds, run.device_seconds, r.sessions, run.energy_wh,
                       run.energy_measured ? "measured" : "predicted", usd_of(run, ledger), won_of(run, ledger),
                       r.seconds_planned, r.energy_wh_planned, r.usd_planned, csv_cell(r.parent),
                       csv_cell(r.data_manifest), weights == r.hashes.end() ? "" : csv_cell(weights->second));
  }
  return out;
}

std::string ledger_table(const std::vector<LedgerRun>& runs, Ledger& ledger) {
  std::string out = fmt::format("{:<8} {:<20} {:<9} {:<9} {:>9} {:>8} {:>10} {:>9} {:>10} {:>9}  {}\n", "id", "started",
                                "kind", "outcome", "time", "of plan", "tokens", "FLOP", "Wh*", "USD", "directory");
  for (const LedgerRun& run : runs) {
    const RunRecord& r = run.record;
    out += fmt::format("{:<8} {:<20} {:<9} {:<9} {:>9} {:>8} {:>10} {:>9.3g} {:>10.4g} {:>9.4f}  {}\n",
                       r.id.substr(0, 8), r.started, r.kind, r.outcome, duration_text(r.seconds), of_plan(r),
                       plan::quantity_text(static_cast<double>(r.tokens)), r.flops, run.energy_wh, usd_of(run, ledger),
                       run.directory.empty() ? r.parent_model : run.directory);
  }
  for (const char* by : {"project", "kind", "outcome"}) {
    const auto sums = ledger_sums(runs, by, ledger);
    if (sums.size() < 2) continue;
    for (const LedgerSums& s : sums)
      out += fmt::format("{} {}: {} runs, {} of computing, {:.3g} FLOP, {:.4g} Wh*, {:.4f} USD, {:.0f} KRW\n", by,
                         s.name, s.runs, duration_text(s.device_hours * 3600), s.flops, s.energy_wh, s.usd, s.won);
  }
  for (const LedgerSums& s : ledger_sums(runs, "", ledger))
    out +=
        fmt::format("all: {} runs, {} of computing (time x threads), {:.3g} FLOP, {:.4g} Wh*, {:.4f} USD, {:.0f} KRW\n",
                    s.runs, duration_text(s.device_hours * 3600), s.flops, s.energy_wh, s.usd, s.won);
  for (const LedgerSums& s : ledger_sums(runs, "family", ledger))
    if (s.training_flops > 0)
      out += fmt::format(
          "{}: {:.3g} FLOP of training, {:.2g} % of 1e26 (Korean AI Basic Act, Decree 24; counted from the "
          "architecture, failed runs included)\n",
          s.name, s.training_flops, 100 * s.training_flops / kActFlops);
  for (const LedgerSums& s : ledger_sums(runs, "family", ledger))
    if (s.bounded > 0)
      out += fmt::format(
          "{}: by time x measured peak, all of it used, at most {:.3g} FLOP ({} of {} training runs know a peak)\n",
          s.name, s.training_flops_bound, s.bounded, s.training_runs);
  return out +
         fmt::format(
             "*: predicted, {} W a thread, where no meter is read; failed, killed and stopped runs are in all sums\n",
             kWattsOfThread);
}

std::string ledger_page(const std::vector<LedgerRun>& runs, Ledger& ledger) {
  report::Page page(report::Label("Ledger of runs", "실행 장부"));
  page.add_heading({"Sums", "합계"});
  for (const auto& [by, ko] :
       {std::pair("project", "프로젝트"), {"kind", "종류"}, {"outcome", "결과"}, {"family", "모델 계열"}}) {
    std::vector<std::vector<report::Label>> rows;
    for (const LedgerSums& s : ledger_sums(runs, by, ledger))
      rows.push_back({s.name, std::to_string(s.runs), plan::quantity_text(static_cast<double>(s.tokens)),
                      fmt::format("{:.3g}", s.flops), fmt::format("{:.2g}", 100 * s.training_flops / kActFlops),
                      fmt::format("{:.3f}", s.device_hours), fmt::format("{:.1f}", s.energy_wh),
                      fmt::format("{:.2f}", s.usd), fmt::format("{:.0f}", s.won)});
    page.add_table({{by, ko},
                    {"runs", "실행"},
                    {"tokens", "토큰"},
                    {"FLOP", "연산량"},
                    {"training, % of 1e26 FLOP", "학습, 1e26 대비 %"},
                    {"thread-hours", "스레드·시간"},
                    {"Wh, predicted", "Wh, 예측"},
                    {"USD", "달러"},
                    {"KRW", "원"}},
                   rows);
  }
  page.add_text(
      {"FLOPs are counted from the architecture; failed, killed and stopped runs are within. 1e26 FLOP of cumulative "
       "training compute is one of the three "
       "conditions of Decree 24 of the Korean AI Basic Act.",
       "연산량은 구조에서 센 값이며, 실패하거나 중단된 실행을 포함한다. 누적 학습 연산량 1e26 FLOP는 인공지능기본법 "
       "시행령 제24조의 세 요건 가운데 하나다."});
  page.add_heading({"Runs", "실행"});
  std::vector<std::vector<report::Label>> rows;
  for (const LedgerRun& run : runs) {
    const RunRecord& r = run.record;
    rows.push_back({r.id.substr(0, 8), r.started, r.project.empty() ? "-" : r.project, r.kind, r.outcome,
                    duration_text(r.seconds), of_plan(r), std::to_string(r.steps),
                    plan::quantity_text(static_cast<double>(r.tokens)), fmt::format("{:.3g}", r.flops),
                    run.directory.empty() ? r.parent_model : run.directory});
  }
  page.add_table({{"run", "실행"},
                  {"started", "시작"},
                  {"project", "프로젝트"},
                  {"kind", "종류"},
                  {"outcome", "결과"},
                  {"time", "시간"},
                  {"of plan", "계획 대비"},
                  {"steps", "스텝"},
                  {"tokens", "토큰"},
                  {"FLOP", "연산량"},
                  {"directory", "디렉터리"}},
                 rows);
  return page.html();
}

}  // namespace nuri
