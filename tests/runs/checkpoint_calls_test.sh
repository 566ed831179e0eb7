#!/usr/bin/env bash
# One SIGKILL before every file system call of a checkpoint write (the next call is the instant after): each time the run
# resumes to the same weights. And the order of calls: every file is fsynced before its rename, the directory after.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
command -v strace >/dev/null || { echo "SKIPPED: strace is not installed"; exit 77; }
strace -o /dev/null true 2>/dev/null || { echo "SKIPPED: the kernel forbids ptrace"; exit 77; }
prepare
export NURI_THREADS=1
sed -i 's/^steps = .*/steps = 2/; s/^save_every = .*/save_every = 1/; s/^eval_every = .*/eval_every = 0/; s/^warmup_steps = .*/warmup_steps = 1/' "$work/recipe.toml"
echo 'save = "foreground"' >>"$work/recipe.toml" # calls of one thread have an order
calls=mkdir,openat,ftruncate,write,fsync,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,close
traced() {
  local out=$1
  shift
  strace -f -qq -e trace=$calls "$@" "$nuri" train "$work/recipe.toml" --data "$work/data" --out "$out" --quiet --resume
}
traced "$work/whole" -o "$work/trace" >/dev/null
expected=$(weights_hash "$work/whole")

# From the first call that names a checkpoint to the last: their numbers, per system call.
awk -v root="$work/whole/checkpoints" '
  { line = $0; sub(/^[0-9]+ +/, "", line); name = line; sub(/\(.*/, "", name); count[name]++; number[NR] = count[name]; call[NR] = name }
  index(line, root) && !first { first = NR }
  index(line, root) { last = NR }
  END { for (i = first; i <= last && i <= NR; ++i) if (call[i] != "close") print call[i], number[i] }' "$work/trace" >"$work/instants"
n=$(wc -l <"$work/instants")
[ "$n" -ge 40 ] || fail "only $n calls found in the checkpoint writes"

# Every file written under a temporary name is fsynced, then renamed; then a directory is fsynced.
awk '
  { line = $0; sub(/^[0-9]+ +/, "", line) }
  line ~ /^openat\(.*O_CREAT/ { split(line, q, "\""); fd = line; sub(/.*= /, "", fd); path[fd] = q[2]; dirty[q[2]] = 1 }
  line ~ /^openat\(/ && line !~ /O_CREAT/ { split(line, q, "\""); fd = line; sub(/.*= /, "", fd); path[fd] = q[2] }
  line ~ /^fsync\(/ { fd = line; sub(/^fsync\(/, "", fd); sub(/\).*/, "", fd); dirty[path[fd]] = 0; synced = NR }
  line ~ /^rename/ { split(line, q, "\""); renames++; renamed = NR
    if (q[2] ~ /partial$/ && dirty[q[2]]) { print "renamed before fsync: " q[2]; bad = 1 } }
  END { if (renames < 6) { print "only " renames " renames"; bad = 1 }
        if (synced < renamed) { print "no fsync after the last rename"; bad = 1 }
        exit bad }' <(grep -v 'log.jsonl\|run.json\|report.html\|recipe.toml' "$work/trace") || fail "the order of fsync and rename"

# Each of those calls is the last thing one life attempts. A test takes every third; --all takes each.
step=3
[ "${2:-}" = --all ] && step=1
tried=0
for i in $(seq 1 $step "$n"); do
  read -r call number < <(sed -n "${i}p" "$work/instants")
  rm -rf "$work/killed"
  traced "$work/killed" -o /dev/null -e "inject=$call:signal=KILL:when=$number" >/dev/null 2>&1 || true
  train "$work/killed" --resume >/dev/null 2>"$work/err" || grep -q 'is finished' "$work/err" ||
    fail "killed at $call number $number, resuming failed: $(cat "$work/err")"
  "$nuri" diff "$work/whole" "$work/killed" >/dev/null || fail "killed at $call number $number: other weights than $expected"
  tried=$((tried + 1))
done
echo "killed at $tried of $n calls of the checkpoint writes"
