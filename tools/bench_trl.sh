#!/usr/bin/env bash
# bench_trl.sh PYTHON SCRIPT CONFIG TOKENIZER PRESET: seconds of a step of reinforcement learning (GRPO with a reference, 8 prompts x 8
# answers of 64 tokens behind 16, two threads) of `nuri bench policy`, in BF16 and in FP32, beside those of a TRL script in FP32,
# alternating, three times each; medians, with CPU and commit, into docs/numbers/LEVEL/trl_PRESET.json, from which
# tools/update_numbers.sh fills the tables.
#   PYTHON  one with torch, transformers and trl
#   SCRIPT  takes CONFIG TOKENIZER, runs on two threads; its last line is JSON with step_s, the median of its steps, and what it ran:
#           prompts, samples, prompt_tokens, new_tokens
#   CONFIG  the preset's config.json for that script; PRESET: nano, micro or small, the same model here
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
[ $# -eq 5 ] || wrong_use "bench_trl: found $# arguments instead of PYTHON SCRIPT CONFIG TOKENIZER PRESET"
python=$1 script=$2 config=$3 tokenizer=$4 preset=$5
[ -x build/nuri ] || die "bench_trl: there is no build/nuri yet; ./run build makes it"
median() { jq -s 'sort[length / 2 | floor]'; }

export NURI_THREADS=2
theirs='' nuri='' floats='' differs=''
for _ in 1 2 3; do
  peer=$("$python" "$script" "$config" "$tokenizer" 2>/dev/null | tail -n 1) || true
  seconds=$(jq '.step_s // empty' <<<"$peer" 2>/dev/null) || true
  [ -n "$seconds" ] || die "bench_trl: $script printed no step_s; try it alone to see why"
  bench=$(build/nuri bench policy --preset "$preset" --json)
  jq -es '(.[0] | {prompts, samples, prompt_tokens, new_tokens}) == (.[1] | {prompts, samples, prompt_tokens, new_tokens})' >/dev/null \
    <<<"$peer$bench" || die "bench_trl: $script runs other sizes than nuri: $peer"
  float=$(build/nuri bench policy --preset "$preset" --precision f32 --json | jq .step_seconds)
  say "TRL $seconds s, nuri $(jq .step_seconds <<<"$bench") s, in FP32 $float s" >&2
  theirs+=" $seconds" nuri+=" $(jq .step_seconds <<<"$bench")" floats+=" $float" differs+=" $(jq .sampler_difference <<<"$bench")"
done
file=docs/numbers/$(jq -r '.level | split(" ")[0]' <<<"$bench")/trl_$preset.json
mkdir -p "$(dirname "$file")"
jq -S --argjson theirs "$(median <<<"$theirs")" --argjson nuri "$(median <<<"$nuri")" --argjson floats "$(median <<<"$floats")" --argjson differs "$(jq -s max <<<"$differs")" \
  '{cpu, level, commit, threads, preset, prompts, samples, prompt_tokens, new_tokens, peer_seconds: $theirs, seconds: $nuri, seconds_f32: $floats,
    sampler_difference: $differs, ratio: ($theirs / $nuri), ratio_f32: ($theirs / $floats)}' <<<"$bench" >"$file.new"
mv "$file.new" "$file"
say "$file: $(jq -c '{peer_seconds, seconds, seconds_f32, ratio, ratio_f32}' "$file")"
