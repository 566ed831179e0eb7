#!/usr/bin/env bash
# bench_tokenizers.sh PYTHON NAME=TEXT...: `nuri bench text` beside the tokenizers package, alternating, three times each: both
# train on and encode the same documents, all that nuri finds in the texts after cleaning. Medians, with CPU and commit, into
# docs/numbers/LEVEL/text.json, from which tools/update_numbers.sh fills the tables.
#   PYTHON  one with the package tokenizers: python3 -m venv venv && venv/bin/pip install tokenizers
#   NAME=TEXT  a source and one of its files: .jsonl (field "text") or .txt, also as .zst. The tables have rows for the
#           names korean and english; files of one name make one row, text of all names trains the tokenizer.
# Environment: VOCAB_SIZE (32000), ROUNDS (3), NURI_THREADS (also the package's), NUMBERS (docs/numbers).
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
[ $# -ge 2 ] || wrong_use "bench_tokenizers: found $# arguments instead of PYTHON NAME=TEXT..."
python=$1
shift
vocab_size=${VOCAB_SIZE:-32000} rounds=${ROUNDS:-3} numbers=${NUMBERS:-docs/numbers}
[ -x build/nuri ] || die "bench_tokenizers: there is no build/nuri yet; ./run build makes it"
"$python" -c 'import tokenizers' 2>/dev/null ||
  die "bench_tokenizers: $python lacks the package tokenizers; python3 -m venv venv && venv/bin/pip install tokenizers"
texts=()
for argument in "$@"; do
  [[ $argument == *=* ]] || wrong_use "bench_tokenizers: '$argument' where NAME=TEXT is needed"
  [ -f "${argument#*=}" ] || die "bench_tokenizers: there is no ${argument#*=}"
  texts+=(--text "${argument#*=}::name=${argument%%=*}")
done
NURI_THREADS=$(build/nuri info --json | jq .threads)
export NURI_THREADS RAYON_NUM_THREADS=$NURI_THREADS

# The median of each number; what is no number is that of the last round.
medians='def m: if (.[0] | type) == "number" then sort[length / 2 | floor]
  elif (.[0] | type) == "object" then . as $all | .[0] | keys | map({key: ., value: (. as $k | [$all[][$k]] | m)}) | from_entries
  elif (.[0] | type) == "array" then transpose | map(m) else .[-1] end; m'
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for round in $(seq "$rounds"); do
  build/nuri bench text --vocab-size "$vocab_size" "${texts[@]}" --documents-out "$scratch/documents.jsonl" --json |
    jq -c . >>"$scratch/nuri"
  "$python" tools/bench_tokenizers.py "$vocab_size" "$scratch/documents.jsonl" >>"$scratch/peer"
  say "round $round: $(tail -n 1 "$scratch/peer" | jq -c '{train_mb_per_s, encode_mb_per_s: [.sources[].encode_mb_per_s]}')" \
    "$(tail -n 1 "$scratch/nuri" | jq -c '{train_mb_per_s, encode_mb_per_s: [.sources[].encode_mb_per_s], shards_mb_per_s}')" >&2
done
level=$(tail -n 1 "$scratch/nuri" | jq -r '.level | split(" ")[0]')
file=$numbers/$level/text.json
mkdir -p "$(dirname "$file")"
jq -s "$medians" "$scratch/peer" >"$scratch/peer_median"
jq -s "$medians" "$scratch/nuri" | jq -S --slurpfile peer "$scratch/peer_median" '
  $peer[0] as $p | def work: [.sources[] | [.name, .documents, (.megabytes * 1e6 | round)]];
  if work != ($p | work) then error("the package encoded other documents: \($p | work), nuri \(work)") else . end
  | .peer = $p | .train_ratio = .train_mb_per_s / $p.train_mb_per_s
  | .sources |= map(. as $s | ($p.sources[] | select(.name == $s.name)) as $q
      | .encode_ratio = $s.encode_mb_per_s / $q.encode_mb_per_s
      | .encode_threads_ratio = $s.encode_threads_mb_per_s / $q.encode_threads_mb_per_s)' >"$file.new"
mv "$file.new" "$file"
say "$file: $(jq -c '{train_ratio, encode_ratio: [.sources[] | {(.name): .encode_ratio}] | add, shards_mb_per_s}' "$file")"
