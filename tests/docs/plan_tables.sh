#!/usr/bin/env bash
# plan_tables.sh PROGRAM: the tables of docs/plan.md are those of a fit made now.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
runs=${NURI_SHARED:-../shared}/reference/published-training-runs.csv
if [ ! -f "$runs" ]; then
  echo "SKIPPED: the shared data directory is absent"
  exit 77
fi
diff <(NURI=$(readlink -f "$1") tools/plan_tables.sh "$runs") \
  <(sed '1,/<!-- begin plan tables -->/d; /<!-- end plan tables -->/,$d' docs/plan.md) ||
  { echo "docs/plan.md: its tables differ; tools/fit_plan.sh RUNS makes them"; exit 1; }
echo "the tables of docs/plan.md are those of the fit"
