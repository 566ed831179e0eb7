#!/usr/bin/env bash
# plan_tables.sh RUNS: the tables of docs/plan.md, made from a fit to published runs.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
nuri=${NURI:-build/nuri}
"$nuri" plan published "$1" --json | jq -r '
  def percent: . * 1000 | round / 10;
  # Four digits of any size.
  def short: if . >= 1 then . * 1000 | round / 1000 elif . >= 0.01 then . * 100000 | round / 100000 else . * 10000000 | round / 10000000 end;
  def row: "| \(.name) | \(.of.rows) | \(.of.median | percent) | \(.of.p90 | percent) | \(.of.bias | percent) | \(.in.median | percent) | \(.in.p90 | percent) |";
  "| group of runs | rows | left out: median error, % | 90th percentile | bias | in the fit: median | 90th percentile |",
  "|---|---|---|---|---|---|---|",
  (.groups | to_entries[] | {name: .key, of: .value.left_out, in: .value.in_sample} | row),
  ({name: "**all that count**", of: .left_out, in: .in_sample} | row),
  "",
  "Apart: \(.derived_targets.rows) rows whose target the table derived: median \(.derived_targets.median | percent) %, 90th percentile \(.derived_targets.p90 | percent) %; \(.low_confidence.rows) rows of low confidence: \(.low_confidence.median | percent) % and \(.low_confidence.p90 | percent) %.",
  "",
  "\(.rows - (.refused_rows | length)) of \(.rows) rows are predicted. Refused, for want of:",
  "",
  "| row | missing |", "|---|---|",
  (.refused_rows[] | "| \(.id) | \(.missing) |"),
  "",
  "| free constant | value | prior | unit | meaning | source of the prior |", "|---|---|---|---|---|---|",
  (.constants | to_entries[] | "| \(.key) | \(.value.value | short) | \(.value.prior) | \(.value.unit) | \(.value.meaning) | \(.value.source) |")'

# DeepSeek-V3 stage by stage, at the published 2 dollars; 1,000 steps in each phase of the extension (arXiv:2412.19437).
v3=(plan train recipes/v3 --hardware H800-SXM-80GB --devices 2048 --precision fp8 --price 2 --json)
jq -rn \
  --argjson first "$("$nuri" "${v3[@]}" --tokens 14.8T --batch 62914560 --layout "pp=16 ep=64 schedule=dualpipe recompute=selective")" \
  --argjson later "$("$nuri" "${v3[@]}" --stage 32K=62914560000:32768:62914560 --stage 128K=62914560000:131072:62914560)" '
  def thousands: . / 1000 | round | "\(.) K";
  def row($name; $published; $found): "| \($name) | \($published | thousands) | \($found | thousands) | \(($found / $published - 1) * 1000 | round / 10) % | \($published * 2 | thousands) | \($found * 2 | thousands) |";
  "",
  "| DeepSeek-V3, H800-hours | published | predicted | off by | USD at 2 an hour, published | predicted |", "|---|---|---|---|---|---|",
  row("pre-training, in the published layout"; 2664000; $first.device_hours),
  row("context extension, in the fastest layouts found"; 119000; $later.device_hours),
  row("post-training (its tokens are not published: not predicted)"; 5000; 5000),
  row("all"; 2788000; $first.device_hours + $later.device_hours + 5000)'
