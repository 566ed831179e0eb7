#include <gtest/gtest.h>

#include <cmath>
#include <regex>
#include <string>

#include "base/file.h"
#include "report/axis.h"
#include "report/page.h"

namespace nuri::report {
namespace {

/// Tags balance and nest: a check of the whole page that knows nothing of how it was made. (The library's regular
/// expressions recurse for each character of a match: too deep for a script of a page.)
void expect_well_nested(const std::string& page) {
  std::vector<std::string> open;
  for (size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at)) {
    const bool closing = page.compare(at, 2, "</") == 0;
    const size_t begin = at + (closing ? 2 : 1),
                 name_end = page.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789", begin);
    const std::string name = page.substr(begin, name_end - begin);
    if (name.empty()) {  // <!doctype html>
      at = name_end;
      continue;
    }
    size_t end = name_end;
    for (bool quoted = false; end < page.size() && (quoted || page[end] != '>'); ++end) quoted ^= page[end] == '"';
    ASSERT_LT(end, page.size()) << "an open tag at " << at;
    if (closing) {
      ASSERT_FALSE(open.empty()) << name;
      ASSERT_EQ(open.back(), name) << "at " << at;
      open.pop_back();
    } else if (name != "meta" && page[end - 1] != '/') {
      open.push_back(name);
      if (name == "script" || name == "style") end = page.find("</" + name, end) - 1;
    }
    at = end + 1;
  }
  EXPECT_TRUE(open.empty());
}

Page demo_page() {
  Page page(Label("Training report: nano", "학습 보고서: nano"),
            Label("4.1 M parameters, BF16", "매개변수 4.1 M, BF16"));
  page.add_key_values({{Label("tokens", "토큰"), "4,096,000"},
                       {Label("time", "시간"), "9 min 12 s"},
                       {Label("throughput", "처리량"), "7,420 tokens/s"},
                       {"MFU", "38.1 %"},
                       {Label("validation", "검증"), "1.310 bits per byte"},
                       {Label("peak memory", "최대 메모리"), "312 MB"}});
  page.add_heading(Label("Loss", "손실"));
  page.add_text(Label("Cross entropy of the main head over the tokens of a step.",
                      "한 스텝의 토큰에 대한 주 헤드의 교차 엔트로피."));
  LineChart loss{.title = Label("Training loss", "학습 손실"),
                 .x_title = Label("tokens", "토큰"),
                 .y_title = Label("nats per token", "토큰당 내트")};
  LineChart rate{.title = Label("Learning rate", "학습률"), .x_title = Label("step", "스텝"), .from_zero = true};
  LineChart bytes{.title = Label("Validation", "검증"),
                  .x_title = Label("tokens", "토큰"),
                  .y_title = Label("bits per byte", "바이트당 비트")};
  LineChart norm{
      .title = Label("Gradient norm", "기울기 노름"), .x_title = Label("step", "스텝"), .log_x = true, .log_y = true};
  Series main{.name = "main"}, mtp{.name = "MTP", .dashed = true}, lr{.name = "lr"}, g{.name = "norm"};
  Band spread{.name = Label("spread", "범위")};
  uint32_t noise = 7;
  for (int step = 1; step <= 5000; ++step) {
    noise = noise * 1664525u + 1013904223u;
    const double u = noise / 4294967296.0 - 0.5, x = step * 819.2, y = 2.2 + 6 / (1 + step / 90.0);
    main.points.push_back({x, step == 2500 ? NAN : y + 0.3 * u});
    mtp.points.push_back({x, y * 1.1 + 0.2 * u});
    lr.points.push_back({double(step), 3e-3 * (step < 250 ? step / 250.0 : step < 3000 ? 1 : (5000 - step) / 2000.0)});
    g.points.push_back({double(step), (0.4 + 0.3 * u) * (1 + 400.0 / step)});
    if (step % 50 == 0) {
      spread.x.push_back(x);
      spread.low.push_back(y - 0.3);
      spread.high.push_back(y + 0.3);
    }
  }
  loss.series = {main, mtp};
  loss.bands = {spread};
  rate.series = {lr};
  norm.series = {g};
  const char* sources[] = {"installation-guide (en)", "gimp-help (ko)", "libreoffice-help (ko)", "facts"};
  for (int s = 0; s < 4; ++s) {
    Series series{.name = sources[s]};
    for (int k = 1; k <= 10; ++k) series.points.push_back({k * 4e5, 1.2 + 0.1 * s + 0.9 / k});
    bytes.series.push_back(series);
  }
  page.add_line_chart(loss);
  page.add_line_chart(bytes);
  page.add_line_chart(rate);
  page.add_line_chart(norm);
  page.add_heading(Label("Experts", "전문가"));
  HeatMap load{.title = Label("Expert load", "전문가 부하"),
               .row_title = Label("layer", "층"),
               .column_title = Label("expert", "전문가"),
               .value_title = Label("tokens / mean", "토큰 / 평균"),
               .n_rows = 4,
               .n_columns = 16,
               .scale = Scale::diverging};
  HeatMap rms{.title = Label("Activation RMS", "활성값 RMS"),
              .row_title = Label("layer", "층"),
              .column_title = Label("step", "스텝"),
              .n_rows = 5,
              .n_columns = 40};
  for (int i = 0; i < 64; ++i) load.values.push_back(i == 9 ? NAN : 0.4 + (i * 37 % 64) / 50.0);
  for (int i = 0; i < 200; ++i) rms.values.push_back((i / 40 + 1) * (1 + (i % 40) / 20.0));
  load.row_labels = {"1", "2", "3", "MTP"};
  page.add_heat_map(load);
  page.add_heat_map(rms);
  page.add_table({Label("source", "출처"), Label("language", "언어"), Label("tokens", "토큰"), "bits/byte"},
                 {{"gimp-help-ko", "ko", "412,334", "1.288"}, {"debian-handbook", "en", "533,002", "1.342"}});
  page.add_heading(Label("Samples", "표본"));
  page.add_samples({{.title = Label("temperature 0", "온도 0"), .prompt = "대한민국의 수도는", .text = " 서울이다."},
                    {.title = "temperature 0.8",
                     .prompt = "To install <b>Debian</b>",
                     .text = " & reboot \"now\"\nline 2 \xff\x01"}});
  return page;
}

TEST(Label, EscapesEverything) {
  EXPECT_EQ(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
  EXPECT_EQ(escape("한글\t\n"), "한글\t\n");
  EXPECT_EQ(escape("\x01\xff"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(escape("\xed\xa0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // a surrogate is no UTF-8
  EXPECT_EQ(escape("\xed\x95"), "\xEF\xBF\xBD\xEF\xBF\xBD");                  // cut Hangul
}

TEST(Axis, RoundTicks) {
  EXPECT_EQ(Axis(0, 10, false, 5).ticks(), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(Axis(1.13, 1.79, false, 5).ticks().size(), 6u);  // 1.2, 1.3, ..., 1.7
  EXPECT_EQ(Axis(1, 10000, true, 5).ticks(), (std::vector<double>{1, 10, 100, 1000, 10000}));
  EXPECT_EQ(Axis(3, 30, true, 5).ticks(), (std::vector<double>{5, 10, 20}));
  EXPECT_NEAR(Axis(1, 10000, true, 5).position(100), 0.5, 1e-9);
  for (const auto& [low, high] : {std::pair{0.0, 0.0},
                                  {5.0, 5.0},
                                  {-1e308, 1e308},
                                  {NAN, 1.0},
                                  {INFINITY, -INFINITY},
                                  {1e-320, 1e-310},
                                  {1e15, 1e15 + 0.5}}) {
    for (bool logarithmic : {false, true}) {
      const Axis axis(low, high, logarithmic, 6);
      EXPECT_LT(axis.low(), axis.high());
      EXPECT_LE(axis.ticks().size(), 50u);
      EXPECT_TRUE(std::isfinite(axis.position(low)) || std::isnan(low));
    }
  }
}

TEST(Axis, ShortNumbers) {
  EXPECT_EQ(short_number(0), "0");
  EXPECT_EQ(short_number(1.25), "1.25");
  EXPECT_EQ(short_number(4096), "4096");
  EXPECT_EQ(short_number(4e6), "4M");
  EXPECT_EQ(short_number(-25000), "-25k");
  EXPECT_EQ(short_number(0.0003), "0.0003");
  EXPECT_EQ(short_number(2e-5), "2e-05");
}

TEST(Thin, KeepsExtremesAndOrder) {
  std::vector<Point> points;
  for (int i = 0; i < 100000; ++i) points.push_back({double(i), i == 4321 ? 9.0 : i == 77777 ? -9.0 : (i % 10) * 0.1});
  points[500].y = NAN;
  const auto thinned = thin(points, 100);
  EXPECT_LE(thinned.size(), 100 * 4 + 10u);
  double low = 0, high = 0;
  for (size_t i = 0; i < thinned.size(); ++i) {
    if (i > 0) {
      EXPECT_LT(thinned[i - 1].x, thinned[i].x);
    }
    low = std::min(low, thinned[i].y);
    high = std::max(high, thinned[i].y);
  }
  EXPECT_EQ(low, -9);
  EXPECT_EQ(high, 9);
  EXPECT_EQ(thinned.front().x, 0);
  EXPECT_EQ(thinned.back().x, 99999);
  EXPECT_EQ(std::count_if(thinned.begin(), thinned.end(), [](const Point& p) { return std::isnan(p.y); }), 1);
}

TEST(Page, SelfContainedAndWellFormed) {
  const std::string page = demo_page().html();
  if (const char* out = std::getenv("NURI_REPORT_OUT")) write_file_atomic(out, page);
  expect_well_nested(page);
  for (const char* outside : {"http:", "https:", "//cdn", "<link", "src=\"", "url(", "@import", "<iframe"}) {
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
  }
  EXPECT_NE(page.find("To install &lt;b&gt;Debian&lt;/b&gt;"), std::string::npos);
  EXPECT_EQ(page.find("<b>Debian"), std::string::npos);
  EXPECT_FALSE(std::regex_search(page, std::regex("[\" ]-?(nan|inf)[\" ]")));
  EXPECT_LT(page.size(), 300u * 1024);  // 5,000 points a line do not reach the page
  EXPECT_EQ(page, demo_page().html());
}

TEST(Page, ChartsWithNothingToDraw) {
  Page page("empty");
  page.add_line_chart({.title = "none"});
  page.add_line_chart({.title = "holes", .series = {{.name = "a", .points = {{NAN, 1}, {1, INFINITY}}}}});
  page.add_line_chart({.title = "one", .series = {{.name = "a", .points = {{3, 4}}}}});
  page.add_line_chart({.title = "no logarithm", .series = {{.name = "a", .points = {{0, 1}, {-1, 2}}}}, .log_x = true});
  page.add_heat_map({.title = "none"});
  page.add_heat_map({.title = "holes", .n_rows = 1, .n_columns = 2, .values = {NAN, NAN}});
  page.add_table({"a"}, {});
  page.add_samples({});
  const std::string text = page.html();
  expect_well_nested(text);
  EXPECT_FALSE(std::regex_search(text, std::regex("(=\"|[ML ])-?(nan|inf)[L \"]")));
  EXPECT_NE(text.find("<circle"), std::string::npos);
}

TEST(Page, CellsMayHaveBothLanguages) {
  Page page("cells");
  page.add_key_values({{"time", Label("2 days", "2일")}});
  page.add_table({"part", "s"}, {{Label("attention", "어텐션"), "1.5"}, {"<raw>", Label("2", "2")}});
  const std::string text = page.html();
  expect_well_nested(text);
  for (const char* part : {R"(<span class="ko" lang="ko">어텐션</span>)", R"(<span class="ko" lang="ko">2일</span>)",
                           "<td>&lt;raw&gt;</td>", R"(<td class="n">1.5</td>)"})
    EXPECT_NE(text.find(part), std::string::npos) << part;
}

TEST(Page, ReadsItselfAgainWhereItGoesOnBeingWritten) {
  Page page("running");
  EXPECT_EQ(page.html().find("data-reload="), std::string::npos);
  page.reload_after(10);
  const std::string text = page.html();
  expect_well_nested(text);
  for (const char* part : {"<html lang=\"en\" data-lang=\"en\" data-reload=\"10\">",
                           "<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>", "location.reload()"})
    EXPECT_NE(text.find(part), std::string::npos) << part;
}

TEST(HeatMap, LegendBeginsAtTheLeastPossibleValue) {
  HeatMap map{.title = "load", .n_rows = 1, .n_columns = 2, .values = {0.2, 2.09}, .scale = Scale::diverging};
  EXPECT_NE(render(map).find(">-0.09<"), std::string::npos);
  map.least = 0;
  const std::string svg = render(map);
  EXPECT_EQ(svg.find(">-0"), std::string::npos);
  for (const char* mark : {">0<", ">1<", ">2.09<"}) EXPECT_NE(svg.find(mark), std::string::npos) << mark;
}

TEST(HeatMap, LargeMatrixIsAveraged) {
  HeatMap map{.title = "large", .n_rows = 600, .n_columns = 1000};
  map.values.assign(600000, 1.0);
  const std::string text = render(map);
  EXPECT_LT(text.size(), 12u << 20);
  EXPECT_NE(text.find("wide"), std::string::npos);
}

}  // namespace
}  // namespace nuri::report
