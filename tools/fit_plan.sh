#!/usr/bin/env bash
# fit_plan.sh RUNS: fits the planner's free constants to a table of published runs and writes them into
# src/plan/constants.cpp, and the table of errors into docs/plan.md. Needs build/nuri; build again afterwards.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
[ $# -eq 1 ] || wrong_use "fit_plan: RUNS is needed (columns: docs/plan.md)"
[ -x build/nuri ] || die "fit_plan: there is no build/nuri yet; ./run build makes it"
found=$(mktemp)
trap 'rm -f "$found"' EXIT
build/nuri plan published "$1" --json >"$found"
values=$(jq -r '.constants | to_entries[] | "    \(.value.value),  // \(.key)"' "$found")
awk -v values="$values" '
  /kFittedValues = \{/ { print; print values; inside = 1; next }
  inside && /^\};/ { inside = 0 }
  !inside { print }' src/plan/constants.cpp >"$found.cpp"
mv "$found.cpp" src/plan/constants.cpp
! command -v clang-format-14 >/dev/null || clang-format-14 -i src/plan/constants.cpp
tools/plan_tables.sh "$1" >"$found"
awk -v file="$found" '
  /<!-- begin plan tables -->/ { print; while ((getline line < file) > 0) print line; inside = 1; next }
  /<!-- end plan tables -->/ { inside = 0 }
  !inside { print }' docs/plan.md >"$found.md"
mv "$found.md" docs/plan.md
