#!/usr/bin/env bash
# plan_tables.sh RUNS: the tables of docs/plan.md, made from a fit to published runs.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
"${NURI:-build/nuri}" plan published "$1" --json | jq -r '
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
