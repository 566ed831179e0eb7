#!/usr/bin/env bash
# bench_torch.sh PYTHON SCRIPT CONFIG PRESET ROWS LENGTH: tokens per second of a training step of `nuri bench step --no-mtp`
# beside those of a PyTorch script, alternating, three times each; medians, with CPU and commit, into
# docs/numbers/LEVEL/torch_PRESET.json, from which tools/update_numbers.sh fills the tables. Several ways of running the
# peer are tried once, for three minutes at most with what they compile, and the fastest is compared.
#   PYTHON  one with torch and transformers
#   SCRIPT  takes CONFIG --batch N --length N --experts E --dtype D [--compile] --seconds S and prints JSON with tokens_per_s
#   CONFIG  the preset's config.json for that script; PRESET: nano, micro or small, the same model here
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
[ $# -eq 6 ] || wrong_use "bench_torch: found $# arguments instead of PYTHON SCRIPT CONFIG PRESET ROWS LENGTH"
python=$1 script=$2 config=$3 preset=$4 rows=$5 length=$6
rounds=3
[ -x build/nuri ] || die "bench_torch: there is no build/nuri yet; ./run build makes it"

# peer LIMIT SECONDS EXPERTS DTYPE [--compile]: its tokens per second, 0 where it does not run that way or not within LIMIT.
peer() {
  local limit=$1 seconds=$2 experts=$3 dtype=$4
  shift 4
  {
    timeout -k 5 "$limit" "$python" "$script" "$config" --batch "$rows" --length "$length" --experts "$experts" --dtype "$dtype" "$@" \
      --seconds "$seconds" 2>/dev/null || true
  } | jq -s '.[-1].tokens_per_s // 0'
}
ours() { build/nuri bench step --preset "$preset" --rows "$rows" --length "$length" --no-mtp --json; }
median() { jq -s 'sort[length / 2 | floor]'; }

best=0 variant=
tried='{}'
for experts in eager grouped_mm; do
  for dtype in float32 bfloat16; do
    for compile in '' --compile; do
      rate=$(peer 180 5 "$experts" "$dtype" $compile)
      say "$experts $dtype $compile: $rate tokens/s" >&2
      tried=$(jq --arg what "$experts $dtype${compile:+ compiled}" --argjson rate "$rate" '.[$what] = $rate' <<<"$tried")
      if jq -en --argjson a "$rate" --argjson b "$best" '$a > $b' >/dev/null; then
        best=$rate
        variant="$experts $dtype $compile"
      fi
    done
  done
done
[ -n "$variant" ] || die "bench_torch: $script runs in no way; try it alone to see why"
theirs='' nuri=''
for _ in $(seq "$rounds"); do
  # shellcheck disable=SC2086  # the words of a variant are arguments
  rate=$(peer 900 10 $variant)
  [ "$rate" != 0 ] || die "bench_torch: '$variant' ran in the trial and now does not"
  theirs+=" $rate"
  bench=$(ours)
  nuri+=" $(jq .tokens_per_s <<<"$bench")"
done
file=docs/numbers/$(jq -r '.level | split(" ")[0]' <<<"$bench")/torch_$preset.json
mkdir -p "$(dirname "$file")"
jq -S --arg preset "$preset" --arg variant "$variant" --argjson tried "$tried" \
  --argjson theirs "$(median <<<"$theirs")" --argjson nuri "$(median <<<"$nuri")" \
  '{cpu, level, commit, threads, preset: $preset, peer: ($variant | rtrimstr(" ")), peer_tokens_per_s: $theirs, peer_tried: $tried,
    tokens_per_s: $nuri, ratio: ($nuri / $theirs)}' <<<"$bench" >"$file.new"
mv "$file.new" "$file"
say "$file: $(jq -c '{peer, peer_tokens_per_s, tokens_per_s, ratio}' "$file")"
