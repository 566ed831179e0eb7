// One self-contained HTML page: no external file, no network, light and dark, English and Korean, printable.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "report/calculator.h"
#include "report/charts.h"
#include "report/gantt.h"
#include "report/label.h"

namespace nuri::report {

/// A prompt and what a model made of it.
struct Sample {
  Label title = {};         // "step 400, temperature 0.8"; may be empty
  std::string prompt = {};  // may be empty
  std::string text = {};
};

/// Elements appear in the order they were added; neighbouring charts share a row where the screen is wide enough.
/// Everything given is text, never markup: it is escaped here.
class Page {
 public:
  explicit Page(Label title, Label subtitle = {});

  /// Starts a section and puts it into the list of contents.
  void add_heading(const Label& heading);
  void add_text(const Label& text);
  /// Lines in a fixed-width face, as they are.
  void add_code(const std::string& text);
  /// Cells are shown as given; columns whose cells are all numbers are aligned to the right. Every row has as many
  /// cells as there are columns (assert).
  void add_table(const std::vector<Label>& columns, const std::vector<std::vector<Label>>& rows);
  void add_key_values(const std::vector<std::pair<Label, Label>>& values);
  void add_line_chart(const LineChart& chart);
  void add_heat_map(const HeatMap& map);
  void add_gantt(const Gantt& gantt);
  void add_calculator(const Calculator& calculator);
  void add_samples(const std::vector<Sample>& samples);
  /// An open page reads its file again after so many seconds, which goes on being written; 0, the default: never.
  void reload_after(int64_t seconds) { reload_seconds_ = seconds; }

  std::string html() const;

 private:
  enum class Kind { block, chart };
  void add(Kind kind, std::string markup);
  Label title_, subtitle_;
  int64_t reload_seconds_ = 0;
  std::vector<Label> headings_;
  std::vector<std::pair<Kind, std::string>> parts_;
};

}  // namespace nuri::report
