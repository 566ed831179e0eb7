#!/usr/bin/env bash
# bench_rl.sh BASE OUT [TASK] [key=value]...: does reinforcement learning teach more than the same demonstrations again?
# `./run bench rl` calls it; `./run bench rl --help` says what it does and which keys there are. NURI names the program
# (build/nuri).
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
nuri=${NURI:-build/nuri}
[ -x "$nuri" ] || die "bench_rl: there is no $nuri yet; ./run build makes it"
[ $# -ge 2 ] || wrong_use "bench_rl: BASE and OUT are needed"
command -v jq >/dev/null || die "bench_rl: jq is not installed (apt-get install jq)"
base=$1 out=$2 result=$2/rl.json
shift 2
task=letters:2 seeds=1,2,3 losses=dr_grpo,grpo,dapo solutions=2000 questions=1000 tokens=48 steps=700
sft=recipes/nano/sft.toml rl=recipes/nano/rl.toml
sft_set=() rl_set=()
for argument; do
  case $argument in
  sft.*=*) sft_set+=(--set "${argument#sft.}") ;;
  rl.*=*) rl_set+=(--set "${argument#rl.}") ;;
  seeds=* | losses=* | solutions=* | questions=* | tokens=* | steps=* | sft=* | rl=* | result=*) declare "${argument%%=*}=${argument#*=}" ;;
  *=*) wrong_use "bench_rl: unknown key in '$argument' (./run bench rl --help lists them)" ;;
  -*) wrong_use "bench_rl: unknown option '$argument' (./run bench rl --help lists them)" ;;
  *) task=$argument ;;
  esac
done
for recipe in "$sft" "$rl"; do
  [ -f "$recipe" ] || die "bench_rl: there is no recipe $recipe"
done
[ -f "$base/config.json" ] || die "bench_rl: $base holds no model (no config.json); name a model directory with a chat template"
mkdir -p "$out"
# What every stage in OUT was made for; seeds and further losses may be added. The first loss says how many FLOPs the others and the
# control may spend.
weights=$(jq -r '.hashes.weights // empty' "$base/run.json" 2>/dev/null || true)
setup="task $task, $solutions solutions, $questions questions, $tokens tokens, $steps steps, $(sha256sum "$sft" "$rl" | cut -c1-16 | tr '\n' ' ')${sft_set[*]} ${rl_set[*]}, first loss ${losses%%,*}, base $base $weights"
[ -f "$out/setup" ] || echo "$setup" >"$out/setup"
[ "$(cat "$out/setup")" = "$setup" ] ||
  die "bench_rl: $out was begun with other settings ($(cat "$out/setup")); take another OUT, or these settings"

# The program runs in a process group of its own, and a signal to this script reaches it once, from here; it saves and ends.
child='' asked=''
pass_on() {
  asked=1
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true
}
trap pass_on INT TERM
# program ARGUMENTS...: nuri; where it was asked to stop, the script ends.
program() {
  local code=0
  set -m
  "$nuri" "$@" </dev/null &
  child=$!
  set +m
  while :; do
    code=0
    wait "$child" || code=$?
    kill -0 "$child" 2>/dev/null || break
  done
  child=''
  if [ -n "$asked" ] || [ "$code" -eq 130 ]; then
    say "stopped and saved; run the same command again to continue" >&2
    exit 130
  fi
  return "$code"
}
# finished DIR; stage DIR VERB ARGUMENTS...: nothing where it is finished, else begun or resumed.
finished() { [ -f "$1/run.json" ] && jq -e '.outcome == "finished"' "$1/run.json" >/dev/null; }
stage() {
  local dir=$1 verb=$2
  shift 2
  finished "$dir" && return
  say "$dir"
  program "$verb" --out "$dir" --resume "$@" >"$dir.said" ||
    die "bench_rl: nuri $verb --out $dir failed (its message stands above, what it said before in $dir.said); mend that, then run this again"
}
# answers MODEL NAME: its held-out answers as NAME.jsonl and the summary as NAME.json.
answers() {
  [ -f "$2.json" ] && return
  say "$2.jsonl"
  program eval "$1" --task "$task" --count "$questions" --problem-seed 7 --temperature 0 --max-tokens "$tokens" --mla-form absorbed --out "$2.jsonl" --json \
    >"$2.json.new" || die "bench_rl: nuri eval $1 failed (its message stands above); mend that, then run this again"
  mv "$2.json.new" "$2.json"
}
# learn DIR MODEL LOSS STEPS: reinforcement learning.
learn() {
  stage "$1" rl "$rl" --init-from "$2" "${rl_set[@]}" --set tasks="$task" --set answer_tokens="$tokens" --set steps="$4" --set seed="$seed" --set loss="$3"
}

chats=$out/solutions.jsonl
if [ ! -f "$chats" ]; then
  program tasks make "${task%%:*}" --difficulty "${task##*:}" --count "$solutions" --seed 1 --chat --out "$chats.new" ||
    die "bench_rl: no solutions of $task (the message stands above; \`nuri tasks list\` names the generators)"
  mv "$chats.new" "$chats"
fi
rows='[]'
answers "$base" "$out/base"
for seed in ${seeds//,/ }; do
  dir=$out/seed-$seed
  mkdir -p "$dir"
  stage "$dir/sft" sft "$sft" --init-from "$base" --chats "$chats" --set seed="$seed" "${sft_set[@]}"
  answers "$dir/sft" "$dir/sft"
  row=$(jq -n --argjson seed "$seed" --slurpfile found "$dir/sft.json" '{seed: $seed, sft: $found[0].all.pass_1, rl: {}}')
  for loss in ${losses//,/ }; do
    these=$steps
    if [ "$loss" != "${losses%%,*}" ]; then
      # A step's FLOPs change as answers become right: those of the first steps and of steps behind the first loss's last one.
      trials=()
      for from in sft "rl-${losses%%,*}"; do
        learn "$dir/trial-$loss-of-$from" "$dir/$from" "$loss" $((steps < 12 ? steps : 12))
        trials+=("$dir/trial-$loss-of-$from/run.json")
      done
      these=$(jq -s --argjson flops "$(jq --arg loss "${losses%%,*}" '.rl[$loss].flops' <<<"$row")" \
        '$flops / ([.[] | .flops / .steps] | add / length) | floor | if . < 1 then 1 else . end' "${trials[@]}")
    fi
    learn "$dir/rl-$loss" "$dir/sft" "$loss" "$these"
    answers "$dir/rl-$loss" "$dir/rl-$loss"
    row=$(jq --arg loss "$loss" --slurpfile found "$dir/rl-$loss.json" --slurpfile run "$dir/rl-$loss/run.json" \
      --argjson exact "$(jq -s '[.[] | select(.kind == "policy") | .sampler_difference, .other_experts] | max' "$dir/rl-$loss/log.jsonl")" \
      '.rl[$loss] = {pass_1: $found[0].all.pass_1, flops: $run[0].flops, steps: $run[0].steps, seconds: $run[0].seconds, sampler_difference: $exact}' <<<"$row")
  done
  # As many steps of fine-tuning as the first loss's FLOPs pay for.
  more=$(jq -n --slurpfile sft "$dir/sft/run.json" --argjson flops "$(jq --arg loss "${losses%%,*}" '.rl[$loss].flops' <<<"$row")" \
    '$flops / ($sft[0].flops / $sft[0].steps) | floor | if . < 1 then 1 else . end')
  stage "$dir/control" sft "$sft" --init-from "$dir/sft" --chats "$chats" --set seed="$seed" "${sft_set[@]}" --set steps="$more" --set patience=0
  answers "$dir/control" "$dir/control"
  row=$(jq --slurpfile found "$dir/control.json" --slurpfile run "$dir/control/run.json" \
    '.control = {pass_1: $found[0].all.pass_1, flops: $run[0].flops, steps: $run[0].steps}' <<<"$row")
  rows=$(jq --argjson row "$row" '. + [$row]' <<<"$rows")
done
machine=$("$nuri" info --json)
mkdir -p "$(dirname "$result")"
jq -S --argjson rows "$rows" --arg task "$task" --argjson solutions "$solutions" --argjson questions "$questions" \
  --argjson base "$(jq .all.pass_1 "$out/base.json")" '
  def mean: add / length;
  {cpu, level, threads, commit, task: $task, solutions: $solutions, questions: $questions, base: $base, seeds: $rows,
    mean: {sft: ([$rows[].sft] | mean), control: ([$rows[].control.pass_1] | mean),
      rl: ([$rows[0].rl | keys[] as $loss | {key: $loss, value: ([$rows[].rl[$loss].pass_1] | mean)}] | from_entries)}}' <<<"$machine" >"$result.new"
mv "$result.new" "$result"
jq -r --arg losses "$losses" '
  def percent: . * 1000 | round / 10 | tostring;
  def wide($n): (" " * ([$n - length, 0] | max)) // "";
  def cell: . as $text | ($text | wide(9)) + $text;
  def line($what; $each): ([$what + ($what | wide(12))] + [$each[] | percent | cell] + [($each | add / length) | percent | cell]) | join("");
  "\(.task): right of \(.questions) held-out questions, %",
  (["            "] + [.seeds[] | "seed \(.seed)" | cell] + ["mean" | cell] | join("")),
  "base" + ("base" | wide(12)) + (.base | percent | cell),
  line("sft"; [.seeds[].sft]),
  line("control"; [.seeds[].control.pass_1]),
  (($losses | split(","))[] as $loss | line($loss; [.seeds[].rl[$loss].pass_1])),
  "sampler and trainer differ by at most \([.seeds[].rl[].sampler_difference] | max)",
  (($losses | split(","))[0] as $first | .mean as $mean |
    ["sft", 25], ["control", 10] | (($mean.rl[$first] - $mean[.[0]]) * 100) as $more |
    "\($first) against \(.[0]): \($more * 10 | round / 10) points (bar \(.[1]): \(if $more >= .[1] then "reached" else "not reached" end))")' "$result"
say "results: $result; rows, logs and models: $out"
