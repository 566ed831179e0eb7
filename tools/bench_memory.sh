#!/usr/bin/env bash
# bench_memory.sh TEXT...: what runs of `micro` and `small` plan to take of anonymous memory before the first step, and what they
# take (three steps of four rows, validation, a checkpoint written beside them where its copy fits), with CPU and commit into
# docs/numbers/LEVEL/memory.json, from which tools/update_numbers.sh fills the tables. About ten minutes; small needs 24 GiB.
#   TEXT  what tokenizers and shards are made from
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
[ $# -ge 1 ] || wrong_use "bench_memory: TEXT is missing: files or directories of text"
need build
ninja -C build --quiet nuri
nuri=build/nuri
scratch=$(mktemp -d "${TMPDIR:-/tmp}/nuri_memory.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
rows='{}'
for preset in micro small; do
  ids=$(jq .vocab_size "recipes/$preset/config.json")
  "$nuri" tokenizer train "$@" --vocab-size "$ids" --out "$scratch/tokenizer" >/dev/null 2>&1
  "$nuri" data build "$@" --tokenizer "$scratch/tokenizer" --out "$scratch/data" >/dev/null 2>&1
  summary=$("$nuri" train "recipes/$preset/recipe.toml" --data "$scratch/data" --out "$scratch/run" --set steps=3 \
    --set batch_rows=4 --set save_every=1 --set eval_rows=8 --set eval_every=2 --json)
  rows=$(jq --arg preset "$preset" --argjson run "$summary" '.[$preset] = ($run |
    {planned_bytes: .memory_planned_bytes, anonymous_bytes: .memory_anonymous_bytes,
     above_plan: (.memory_anonymous_bytes / .memory_planned_bytes - 1)})' <<<"$rows")
  say "$preset: $(jq -c --arg preset "$preset" '.[$preset]' <<<"$rows")"
  rm -rf "$scratch/tokenizer" "$scratch/data" "$scratch/run"
done
machine=$("$nuri" info --json)
file=docs/numbers/$(jq -r '.level | split(" ")[0]' <<<"$machine")/memory.json
mkdir -p "$(dirname "$file")"
jq -S --argjson rows "$rows" '{cpu, level, threads, commit} + $rows' <<<"$machine" >"$file.new"
mv "$file.new" "$file"
