#!/usr/bin/env bash
# bench_load.sh TEXT...: from exec of `nuri chat` on a directory of `small` (0.9 B parameters, random weights, file cache
# warm) to its first token after a question of some 16 tokens; median, fastest and slowest of seven, and the most anonymous
# memory of a run, with CPU and commit into docs/numbers/LEVEL/load.json, from which tools/update_numbers.sh fills the tables.
# A virtual machine that gave free memory back to its host waits for it again at first touches, as any program then does: see
# how far the slowest lies above the fastest.
#   TEXT  what a tokenizer of 32,000 ids is trained on
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
[ $# -ge 1 ] || wrong_use "bench_load: TEXT is missing: files or directories for the tokenizer"
need build peers
build_with_peers nuri nuri_random_model
scratch=$(mktemp -d "${TMPDIR:-/tmp}/nuri_load.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
build/nuri tokenizer train "$@" --vocab-size 32000 --out "$scratch/tokenizer" >/dev/null 2>&1
build/src/nuri_random_model small "$scratch/model"
cp "$scratch/tokenizer"/* "$scratch/model/"
echo 'What is the sum of three and four, and why?' >"$scratch/question"
chat() { build/nuri chat "$scratch/model" --temperature 0 --max-tokens 1 <"$scratch/question" >/dev/null; }

chat # the file comes into the cache
times=
for _ in 1 2 3 4 5 6 7; do # to the first token and the end of the process
  begin=$(date +%s%N)
  chat
  times+=" $((($(date +%s%N) - begin) / 1000))"
done
# The memory in a run of its own.
build/nuri chat "$scratch/model" --temperature 0 --max-tokens 1 <"$scratch/question" >/dev/null &
most=0
while anonymous=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/$!/status" 2>/dev/null) && [ -n "$anonymous" ]; do
  [ "$anonymous" -gt "$most" ] && most=$anonymous
done
wait $!
machine=$(build/nuri info --json)
file=docs/numbers/$(jq -r '.level | split(" ")[0]' <<<"$machine")/load.json
mkdir -p "$(dirname "$file")"
jq -S --argjson us "$(jq -cs sort <<<"$times")" --argjson kb "$most" \
  '{cpu, level, threads, commit, seconds: ($us[$us | length / 2 | floor] / 1e6), fastest: ($us[0] / 1e6), slowest: ($us[-1] / 1e6),
    anonymous_bytes: ($kb * 1024)}' <<<"$machine" >"$file.new"
mv "$file.new" "$file"
say "$file: $(jq -c '{seconds, fastest, slowest, anonymous_bytes}' "$file")"
