#include "report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "report/style.h"

namespace nuri::report {
namespace {

/// Digits with signs, separators, percent and a unit letter: right-aligned in a table.
bool looks_numeric(const std::string& cell) {
  if (cell.empty() || cell == "-") return true;
  return (std::isdigit(static_cast<unsigned char>(cell[0])) || cell[0] == '-' || cell[0] == '+' || cell[0] == '.') &&
         cell.find_first_not_of("0123456789+-.,eE% xkMGT") == std::string::npos;
}

}  // namespace

Page::Page(Label title, Label subtitle) : title_(std::move(title)), subtitle_(std::move(subtitle)) {}

void Page::add(Kind kind, std::string markup) { parts_.emplace_back(kind, std::move(markup)); }

void Page::add_heading(const Label& heading) {
  headings_.push_back(heading);
  add(Kind::block, fmt::format("<h2 id=\"s{}\">{}</h2>\n", headings_.size(), report::html(heading)));
}

void Page::add_text(const Label& text) { add(Kind::block, fmt::format("<p>{}</p>\n", report::html(text))); }

void Page::add_code(const std::string& text) {
  add(Kind::block, fmt::format("<pre class=\"code\">{}</pre>\n", escape(text)));
}

void Page::add_table(const std::vector<Label>& columns, const std::vector<std::vector<Label>>& rows) {
  std::vector<const char*> classes(columns.size(), "");
  for (size_t c = 0; c < columns.size(); ++c) {
    const bool numeric = !rows.empty() && std::all_of(rows.begin(), rows.end(), [&](const auto& row) {
      NURI_ASSERT(row.size() == columns.size());
      return looks_numeric(row[c].en);
    });
    if (numeric) classes[c] = " class=\"n\"";
  }
  std::string out = "<div class=\"scroll\"><table><thead><tr>";
  for (size_t c = 0; c < columns.size(); ++c) {
    out += fmt::format("<th{}>{}</th>", classes[c], report::html(columns[c]));
  }
  out += "</tr></thead><tbody>\n";
  for (const auto& row : rows) {
    out += "<tr>";
    for (size_t c = 0; c < columns.size(); ++c) out += fmt::format("<td{}>{}</td>", classes[c], report::html(row[c]));
    out += "</tr>\n";
  }
  add(Kind::block, out + "</tbody></table></div>\n");
}

void Page::add_key_values(const std::vector<std::pair<Label, Label>>& values) {
  std::string out = "<dl>";
  for (const auto& [key, value] : values) {
    out += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", report::html(key), report::html(value));
  }
  add(Kind::block, out + "</dl>\n");
}

void Page::add_line_chart(const LineChart& chart) { add(Kind::chart, render(chart)); }

void Page::add_heat_map(const HeatMap& map) { add(Kind::chart, render(map)); }

void Page::add_gantt(const Gantt& gantt) { add(Kind::chart, render(gantt)); }

void Page::add_calculator(const Calculator& calculator) { add(Kind::block, render(calculator)); }

void Page::add_samples(const std::vector<Sample>& samples) {
  std::string out = "<div class=\"samples\">";
  for (const Sample& s : samples) {
    out += "<article class=\"sample\">";
    if (!s.title.empty()) out += fmt::format("<h3>{}</h3>", report::html(s.title));
    out += "<pre>";
    if (!s.prompt.empty()) out += fmt::format("<b>{}</b>", escape(s.prompt));
    out += escape(s.text) + "</pre></article>\n";
  }
  add(Kind::block, out + "</div>\n");
}

std::string Page::html() const {
  std::string out = "<!DOCTYPE html>\n<html lang=\"en\" data-lang=\"en\"";
  if (reload_seconds_ > 0) out += fmt::format(" data-reload=\"{}\"", reload_seconds_);
  out += "><head><meta charset=\"utf-8\">\n";
  if (reload_seconds_ > 0)  // the script does it otherwise, and keeps place and language
    out += fmt::format("<noscript><meta http-equiv=\"refresh\" content=\"{}\"></noscript>\n", reload_seconds_);
  out += "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n";
  // Nothing is loaded from anywhere; the policy says so to the browser as well.
  out +=
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src 'unsafe-inline'\">\n";
  out += fmt::format("<title>{}</title>\n<style>{}</style></head>\n<body>\n", escape(title_.en), kStyle);
  out += fmt::format("<header><div><h1>{}</h1>", report::html(title_));
  if (!subtitle_.empty()) out += fmt::format("<p class=\"subtitle\">{}</p>", report::html(subtitle_));
  if (!headings_.empty()) {
    out += "<nav>";
    for (size_t i = 0; i < headings_.size(); ++i) {
      out += fmt::format("<a href=\"#s{}\">{}</a>", i + 1, report::html(headings_[i]));
    }
    out += "</nav>";
  }
  out +=
      "</div><button hidden><span class=\"en\">한국어</span><span "
      "class=\"ko\">English</span></button></header>\n<main>\n";
  bool in_charts = false;
  for (const auto& [kind, markup] : parts_) {
    if ((kind == Kind::chart) != in_charts) {
      in_charts = !in_charts;
      out += in_charts ? "<div class=\"charts\">\n" : "</div>\n";
    }
    out += markup;
  }
  if (in_charts) out += "</div>\n";
  out += fmt::format("</main>\n<footer>nuri</footer>\n<script>{}</script>\n</body></html>\n", kScript);
  return out;
}

}  // namespace nuri::report
