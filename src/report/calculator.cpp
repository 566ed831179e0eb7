#include "report/calculator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "base/error.h"

namespace nuri::report {
namespace {

/// A range input has 1,000 steps; a logarithmic one moves the exponent.
double place_of(const Slider& s) {
  const double t =
      s.logarithmic ? std::log(s.value / s.low) / std::log(s.high / s.low) : (s.value - s.low) / (s.high - s.low);
  return std::round(1000 * std::clamp(t, 0.0, 1.0));
}

}  // namespace

std::string render(const Calculator& calculator) {
  std::string out = "<div class=\"calculator\"><div class=\"sliders\">\n", read, write, first;
  for (const Slider& s : calculator.sliders) {
    NURI_ASSERT(!s.id.empty() &&
                std::all_of(s.id.begin(), s.id.end(), [](unsigned char c) { return std::isalpha(c); }));
    NURI_ASSERT(s.low < s.high && (!s.logarithmic || s.low > 0));
    out += fmt::format(
        "<label><span>{}</span><input type=\"range\" min=\"0\" max=\"1000\" value=\"{}\" "
        "data-id=\"{}\"><output></output></label>\n",
        html(s.name), place_of(s), escape(s.id));
    // Until it is moved a slider gives exactly its value, whatever its step.
    const std::string at = fmt::format("Number(inputs.{}.value)/1000", s.id);
    const std::string moved = s.logarithmic ? fmt::format("{}*Math.pow({},{})", s.low, s.high / s.low, at)
                                            : fmt::format("{}+({})*{}", s.low, s.high - s.low, at);
    read += fmt::format("const {0}=inputs.{0}.dataset.moved?{1}:{2};", s.id, moved, s.value);
    write += fmt::format("inputs.{0}.nextElementSibling.textContent=short({0});", s.id);
  }
  out += "</div><dl>\n";
  size_t i = 0;
  for (const Result& r : calculator.results) {
    out += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", html(r.name), escape(r.value));
    write += fmt::format("results[{}].textContent=short({});", i++, r.formula);
  }
  out +=
      "</dl>\n<script>(()=>{const box=document.currentScript.parentNode,inputs={};"
      "for(const i of box.querySelectorAll('input'))inputs[i.dataset.id]=i;const results=box.querySelectorAll('dd');"
      "const short=(v)=>Number(v.toPrecision(4)).toLocaleString('en',{maximumSignificantDigits:4});";
  return out + "const show=()=>{" + read + write +
         "};show();box.oninput=(e)=>{e.target.dataset.moved='1';show();};})();</script></div>\n";
}

}  // namespace nuri::report
