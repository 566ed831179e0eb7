#include "report/style.h"

namespace nuri::report {

const std::string_view kStyle = R"css(
:root{color-scheme:light dark;--bg:#fbfaf8;--card:#fff;--ink:#1f2328;--soft:#5d6570;--rule:#e3e1dc;--grid:#ecebe7;--accent:#0b6e7f;
--c0:#0b6e9e;--c1:#d1600f;--c2:#2a8a4a;--c3:#a8408f;--c4:#8a6d00;--c5:#c0392b;--c6:#5a56c4;--c7:#5f6a72}
@media screen and (prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1c2024;--ink:#e7e6e2;--soft:#9aa3ab;--rule:#31373d;--grid:#2a3036;
--accent:#5cc3d3;--c0:#5ab4e6;--c1:#f09a55;--c2:#63c583;--c3:#dd86c9;--c4:#d6b84a;--c5:#f0776a;--c6:#9f9bf5;--c7:#a9b3ba}}
*{box-sizing:border-box}
html[data-lang=en] .ko,html[data-lang=ko] .en{display:none}
.ko{word-break:keep-all}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI","Noto Sans KR","Apple SD Gothic Neo",
"Malgun Gothic",NanumGothic,sans-serif;overflow-wrap:anywhere}
header,main,footer{max-width:1200px;margin:0 auto;padding:0 20px}
header{padding-top:28px;display:flex;gap:16px;align-items:flex-start;justify-content:space-between}
h1{font-size:26px;line-height:1.25;margin:0 0 4px;letter-spacing:-.01em}
h2{font-size:18px;margin:34px 0 12px;padding-top:14px;border-top:1px solid var(--rule)}
p{margin:8px 0 14px;max-width:75ch;white-space:pre-line}
.subtitle{color:var(--soft);margin:0}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;margin:14px 0 0;font-size:14px}
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
button{font:inherit;font-size:13px;color:var(--ink);background:var(--card);border:1px solid var(--rule);border-radius:6px;padding:4px 12px;
cursor:pointer;white-space:nowrap}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:16px;margin:12px 0}
figure{margin:0;background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:12px 12px 8px;min-width:0;break-inside:avoid}
figure.wide{grid-column:1/-1}
.charts figure:only-child{max-width:760px}.charts figure.wide:only-child{max-width:none}
figcaption{padding:0 4px;font-size:14px}.unit{color:var(--soft);margin-left:6px;font-size:13px}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 16px;margin:4px 4px 0;padding:0;font-size:13px;color:var(--soft)}
.legend i{display:inline-block;width:18px;border-top:3px solid;margin-right:6px;vertical-align:middle}
.legend i.dashed{border-top-style:dashed}.legend i.area{border-top-width:10px;opacity:.25}
svg.chart{display:block;width:100%;height:auto;margin-top:6px}
svg text{font-size:11.5px;fill:var(--soft);font-variant-numeric:tabular-nums}
svg .axis{font-size:12px}
.grid{stroke:var(--grid);fill:none}.tick,.frame{stroke:var(--soft);stroke-opacity:.6;fill:none}
.line{fill:none;stroke:currentColor;stroke-width:1.7;stroke-linejoin:round}.line.dashed{stroke-dasharray:6 4}
.band{fill:currentColor;fill-opacity:.16}.dot{fill:currentColor}
.s0{color:var(--c0)}.s1{color:var(--c1)}.s2{color:var(--c2)}.s3{color:var(--c3)}.s4{color:var(--c4)}.s5{color:var(--c5)}.s6{color:var(--c6)}
.s7{color:var(--c7)}
svg.heat rect{shape-rendering:crispEdges}.missing{fill:var(--grid)}
.cursor path{stroke:var(--soft);stroke-dasharray:2 3}.cursor text{fill:var(--ink);font-weight:600}
.scroll{overflow-x:auto;margin:12px 0;break-inside:avoid}
table{border-collapse:collapse;background:var(--card);border:1px solid var(--rule);font-size:14px;min-width:min(100%,420px)}
th,td{padding:6px 14px;text-align:left;border-bottom:1px solid var(--rule);vertical-align:top;overflow-wrap:normal}
th{color:var(--soft);font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tr:last-child td{border-bottom:0}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(200px,1fr));gap:10px;margin:14px 0}
dl div{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:8px 12px;break-inside:avoid}
dt{color:var(--soft);font-size:12.5px}dd{margin:0;font-size:16px;font-variant-numeric:tabular-nums}
.samples{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:14px;margin:12px 0}
.sample{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:10px 14px;break-inside:avoid}
.sample h3{margin:0 0 6px;font-size:12.5px;font-weight:600;color:var(--soft)}
.calculator{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:14px 16px 4px;margin:12px 0}
.sliders{display:grid;gap:10px}.sliders label{display:grid;grid-template-columns:minmax(150px,260px) 1fr 90px;gap:14px;align-items:center;font-size:14px}
.sliders output{text-align:right;font-variant-numeric:tabular-nums}.sliders input{width:100%;accent-color:var(--accent)}
pre.code{margin:8px 0 14px;overflow-x:auto;font:13px/1.5 ui-monospace,monospace}
.sample pre{margin:0;white-space:pre-wrap;font:14px/1.6 inherit;font-family:inherit}
.sample b{font-weight:600;color:var(--accent)}
footer{color:var(--soft);font-size:13px;padding-top:24px;padding-bottom:32px}
@media (max-width:600px){header,main,footer{padding-left:12px;padding-right:12px}h1{font-size:21px}
svg.chart{margin-left:-4px}svg text,svg .axis{font-size:16.5px}dl{grid-template-columns:repeat(2,1fr)}th,td{padding:5px 9px}}
@media print{body{background:#fff;font-size:11pt}button,nav{display:none}header,main,footer{max-width:none}
.charts{grid-template-columns:1fr 1fr}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
)css";

const std::string_view kScript = R"js(
(() => {
  const root = document.documentElement;
  const button = document.querySelector('button');
  const speak = (lang) => { root.dataset.lang = root.lang = lang; };
  speak(history.state?.lang || ((navigator.language || 'en').startsWith('ko') ? 'ko' : 'en'));
  button.hidden = false;
  button.onclick = () => {
    speak(root.dataset.lang === 'ko' ? 'en' : 'ko');
    history.replaceState({lang: root.dataset.lang}, '');  // survives the reload of a page that is still written
  };
  if (root.dataset.reload) setTimeout(() => location.reload(), 1000 * root.dataset.reload);

  // The value of each line under the pointer: plot area of the 560 x 300 chart, axes from data-plot.
  const left = 66, right = 538, top = 12, bottom = 256;
  const short = (v) => Number(v.toPrecision(4)).toLocaleString('en', {maximumSignificantDigits: 4});
  const value = (lo, hi, log, t) => log ? Math.exp(Math.log(lo) + t * Math.log(hi / lo)) : lo + t * (hi - lo);
  for (const svg of document.querySelectorAll('svg.lines')) {
    const [x0, x1, y0, y1, logX, logY] = svg.dataset.plot.split(' ').map(Number);
    const lines = [...svg.querySelectorAll('.line')].map((path) => ({
      colour: getComputedStyle(path).color,
      points: [...path.getAttribute('d').matchAll(/([\d.]+) ([\d.]+)/g)].map((m) => [Number(m[1]), Number(m[2])]),
    }));
    const cursor = svg.querySelector('.cursor');
    svg.onpointerleave = () => { cursor.innerHTML = ''; };
    svg.onpointermove = (event) => {
      const box = svg.getBoundingClientRect();
      const x = Math.min(right, Math.max(left, (event.clientX - box.left) * 560 / box.width));
      const anchor = x > 380 ? 'end' : 'start', shift = x > 380 ? -8 : 8;
      let out = `<path d="M${x} ${top}V${bottom}"/>`;
      out += `<text x="${x + shift}" y="${top + 8}" text-anchor="${anchor}">${short(value(x0, x1, logX, (x - left) / (right - left)))}</text>`;
      lines.forEach((line, i) => {
        const [px, py] = line.points.reduce((a, b) => Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a);
        const y = short(value(y0, y1, logY, (bottom - py) / (bottom - top)));
        out += `<circle cx="${px}" cy="${py}" r="3.5" fill="${line.colour}"/>`;
        out += `<text x="${x + shift}" y="${top + 24 + 15 * i}" text-anchor="${anchor}" style="fill:${line.colour}">${y}</text>`;
      });
      cursor.innerHTML = out;
    };
  }
})();
)js";

}  // namespace nuri::report
