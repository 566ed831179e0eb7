#!/usr/bin/env bash
# bench_rl.sh BASE OUT [TASK] [key=value]...: does reinforcement learning teach more than the same demonstrations again?
# Demonstrations are scarce, problems are not. For each seed, from the same base model:
#   sft       SOLUTIONS worked solutions (seed 1), the model that validates best
#   rl-LOSS   from sft, rewards only: the first loss for STEPS steps, the others for about as many FLOPs
#   control   from sft, more epochs over the same solutions for as many FLOPs as the RL stage took, the model that validates best
# and all of them answer the same held-out questions, greedily. Every stage is kept in OUT and resumed where it is not finished; run
# the same command again to continue. Results, with CPU and commit: docs/numbers/LEVEL/rl.json.
#   BASE   a pre-trained model directory with a chat template
#   TASK   generator and difficulty (letters:2)
# keys: seeds=1,2,3  losses=dr_grpo,grpo,dapo (the control spends what the first one took)  solutions=2000  questions=1000
#   tokens=48 (longest answer)  steps=700 (of RL)  sft=FILE  rl=FILE (recipes of the stages: recipes/nano/{sft,rl}.toml)
#   sft.KEY=VALUE and rl.KEY=VALUE set recipe keys over them
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
nuri=${NURI:-build/nuri}
[ -x "$nuri" ] || die "bench_rl: there is no $nuri yet; ./run build makes it"
[ $# -ge 2 ] || wrong_use "bench_rl: BASE and OUT are needed"
base=$1 out=$2
shift 2
task=letters:2 seeds=1,2,3 losses=dr_grpo,grpo,dapo solutions=2000 questions=1000 tokens=48 steps=700
sft=recipes/nano/sft.toml rl=recipes/nano/rl.toml
sft_set=() rl_set=()
for argument; do
  case $argument in
  sft.*=*) sft_set+=(--set "${argument#sft.}") ;;
  rl.*=*) rl_set+=(--set "${argument#rl.}") ;;
  seeds=* | losses=* | solutions=* | questions=* | tokens=* | steps=* | sft=* | rl=*) declare "${argument%%=*}=${argument#*=}" ;;
  *=*) wrong_use "bench_rl: unknown key in '$argument'" ;;
  *) task=$argument ;;
  esac
done
mkdir -p "$out"
# What every stage in OUT was made for; seeds and losses may be added.
setup="task $task, $solutions solutions, $questions questions, $tokens tokens, $steps steps, $(sha256sum "$sft" "$rl" | cut -c1-16 | tr '\n' ' ')${sft_set[*]} ${rl_set[*]}, base $base"
[ -f "$out/setup" ] || echo "$setup" >"$out/setup"
[ "$(cat "$out/setup")" = "$setup" ] ||
  die "bench_rl: $out was begun with other settings ($(cat "$out/setup")); take another OUT, or these settings"
chats=$out/solutions.jsonl
[ -f "$chats" ] ||
  "$nuri" tasks make "${task%%:*}" --difficulty "${task##*:}" --count "$solutions" --seed 1 --chat --out "$chats"

# finished DIR; stage DIR VERB ARGUMENTS...: nothing where it is finished, else begun or resumed.
finished() { [ -f "$1/run.json" ] && jq -e '.outcome == "finished"' "$1/run.json" >/dev/null; }
stage() {
  local dir=$1 verb=$2
  shift 2
  finished "$dir" && return
  say "$dir"
  "$nuri" "$verb" --out "$dir" --resume "$@" >"$dir.said" || die "bench_rl: $verb ended early; see $dir.said, then run this again"
}
# answers MODEL NAME: its held-out answers as NAME.jsonl and the summary as NAME.json.
answers() {
  [ -f "$2.json" ] && return
  "$nuri" eval "$1" --task "$task" --count "$questions" --problem-seed 7 --temperature 0 --max-tokens "$tokens" --mla-form absorbed --out "$2.jsonl" --json \
    >"$2.json.new"
  mv "$2.json.new" "$2.json"
}
# learn DIR MODEL LOSS STEPS: reinforcement learning.
learn() {
  stage "$1" rl "$rl" --init-from "$2" "${rl_set[@]}" --set tasks="$task" --set answer_tokens="$tokens" --set steps="$4" --set seed="$seed" --set loss="$3"
}

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
        learn "$dir/trial-$loss-of-$from" "$dir/$from" "$loss" 12
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
  jq -c . <<<"$row"
done
machine=$("$nuri" info --json)
file=docs/numbers/$(jq -r '.level | split(" ")[0]' <<<"$machine")/rl.json
[ -n "${NURI_RL_RESULT:-}" ] && file=$NURI_RL_RESULT
mkdir -p "$(dirname "$file")"
jq -S --argjson rows "$rows" --arg task "$task" --argjson solutions "$solutions" --argjson questions "$questions" \
  --argjson base "$(jq .all.pass_1 "$out/base.json")" '
  def mean: add / length;
  {cpu, level, threads, commit, task: $task, solutions: $solutions, questions: $questions, base: $base, seeds: $rows,
    mean: {sft: ([$rows[].sft] | mean), control: ([$rows[].control.pass_1] | mean),
      rl: ([$rows[0].rl | keys[] as $loss | {key: $loss, value: ([$rows[].rl[$loss].pass_1] | mean)}] | from_entries)}}' <<<"$machine" >"$file.new"
mv "$file.new" "$file"
jq .mean "$file"
