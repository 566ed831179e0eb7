# shellcheck shell=bash
# shellcheck disable=SC2034
# Shared by the tests of whole runs: a tiny corpus, tokenizer, shards, model and recipe in a scratch directory.
# Sets: nuri (the program), work (scratch, removed at exit). Text comes from the generator below, so that no other file
# is needed.
set -euo pipefail
nuri=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/nuri_runs.XXXXXX")
trap 'rm -rf "$work"' EXIT
export NURI_THREADS=${NURI_THREADS:-2}
# No test writes into the ledger of whoever runs it; those of the ledger name their own.
export NURI_LEDGER=none

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

# refused WORDS COMMAND...: the command fails and says these words (a grep pattern).
refused() {
  local words=$1
  shift
  "$@" >/dev/null 2>"$work/err" && fail "not refused: $*"
  grep -q -- "$words" "$work/err" || fail "$*: $(cat "$work/err")"
}

# code CODE ARGUMENTS...: runs the program; its output is in $work/out and $work/err.
code() {
  local want=$1 got=0
  shift
  "$nuri" "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
  [ $got -eq "$want" ] || fail "nuri $*: exit code $got, expected $want: $(tail -n 5 "$work/err")"
}
# json CODE FILTER ARGUMENTS...: standard output is one JSON value for which the filter is true.
json() {
  local want=$1 filter=$2
  shift 2
  code "$want" "$@"
  jq -es "length == 1 and (.[0] | $filter)" "$work/out" >"$work/verdict" 2>&1 ||
    fail "nuri $*: not ($filter): $(cat "$work/verdict") $(head -c 600 "$work/out")"
}
numbers() { # a filter: these keys are numbers
  local filter=true key
  for key in "$@"; do filter+=" and (.$key | type == \"number\")"; done
  printf '%s' "$filter"
}

make_text() {
  local i
  for i in $(seq 1 400); do
    printf '{"text": "%d 더하기 %d은 %d이다. The sum of %d and %d is %d.\\n문서 %d 끝. End of page %d."}\n' \
      "$i" "$((i % 37))" "$((i + i % 37))" "$i" "$((i % 37))" "$((i + i % 37))" "$i" "$i"
  done >"$work/text.jsonl"
}

make_recipe() {
  cat >"$work/config.json" <<'JSON'
{"architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "vocab_size": 512, "hidden_size": 32,
 "intermediate_size": 48, "moe_intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
 "num_key_value_heads": 2, "q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4,
 "v_head_dim": 8, "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "n_group": 2, "topk_group": 1,
 "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": true, "routed_scaling_factor": 2.5,
 "num_nextn_predict_layers": 1, "first_k_dense_replace": 1, "max_position_embeddings": 256, "torch_dtype": "bfloat16",
 "rope_theta": 10000, "initializer_range": 0.02}
JSON
  cat >"$work/recipe.toml" <<'TOML'
config = "config.json"
batch_rows = 4
length = 48
steps = 120
lr = 3e-3
warmup_steps = 5
save_every = 3
keep_last = 2
eval_every = 7
eval_rows = 4
sample_every = 0
TOML
}

prepare() {
  make_text
  make_recipe
  "$nuri" tokenizer train "$work/text.jsonl" --vocab-size 512 --out "$work/tokenizer" >/dev/null
  "$nuri" data build "$work/text.jsonl" --tokenizer "$work/tokenizer" --out "$work/data" --validation 0.1 >/dev/null
}

# prepare_chats N: the same with N worked solutions of the sorting task, as chats and in the text; needs jq.
prepare_chats() {
  make_text
  make_recipe
  "$nuri" tasks make sort --count "$1" --difficulty 1 --chat --out "$work/chats.jsonl" >/dev/null
  jq -c '{text: (.messages | map(.content) | join(" "))}' "$work/chats.jsonl" >>"$work/text.jsonl"
  "$nuri" tokenizer train "$work/text.jsonl" --vocab-size 512 --out "$work/tokenizer" >/dev/null
  "$nuri" data build "$work/text.jsonl" --tokenizer "$work/tokenizer" --out "$work/data" --validation 0.1 >/dev/null
}

# train OUT [options]: quiet. exec_train: the same in place of the calling (sub)shell, so that $! is the program.
exec_train() {
  local out=$1
  shift
  exec "$nuri" train "$work/recipe.toml" --data "$work/data" --out "$out" --quiet "$@"
}
train() {
  local out=$1
  shift
  "$nuri" train "$work/recipe.toml" --data "$work/data" --out "$out" --quiet "$@"
}

# watch_page PID RUN: as long as the process lives RUN/report.html is read as a browser would. It is never torn, and asks to
# be read again while the run goes on. Sets pages: how often it changed; the last one of a running run is $work/page.html.
watch_page() {
  local seen
  pages=0
  rm -f "$work/page.html"
  while kill -0 "$1" 2>/dev/null; do
    sleep 0.05
    cp "$2/report.html" "$work/seen.html" 2>/dev/null || continue
    seen=$(head -c 15 "$work/seen.html")$(tail -n 1 "$work/seen.html")
    [ "$seen" = '<!DOCTYPE html></body></html>' ] || fail "a torn page of $2: $seen"
    if ! grep -q 'data-reload="10"' "$work/seen.html" || cmp -s "$work/seen.html" "$work/page.html"; then continue; fi
    mv "$work/seen.html" "$work/page.html"
    pages=$((pages + 1))
  done
}

weights_hash() { grep -o '"weights": "[0-9a-f]*"' "$1/run.json" | cut -d'"' -f4; }
