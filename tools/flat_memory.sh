#!/usr/bin/env bash
# flat_memory.sh [--limit MIB] [--times N] [--dir DIR] TEXT...: trains a tokenizer and builds shards from a corpus N times
# (10) as large as a memory limit (512 MiB), and prints what memory was taken.
#   TEXT    .jsonl files (field "text"), also as .zst. They are written again and again, each time with other words (one
#           in four or so gets a new ending) and other lines, so that documents, lines and words go on being new; the last
#           copy repeats one before it.
#   --dir   where the corpus and the results are made and removed again (a scratch directory below TMPDIR): about 1.8
#           times the corpus
# The limit is that of a control group below this process's own, where one can be made; it counts the file cache too.
# Beside it, or alone where there is none, RLIMIT_DATA limits what the process may take for itself. Printed for each of the
# two: MB of corpus a second, the most anonymous memory, and its slope over the middle half of the work (before a tokenizer
# begins to learn from what it counted) in MB for each GB of corpus. Exit code 1: a limit was reached, or the slope exceeds 10 MB for each GB.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
limit=512 times=10 dir=
while [ $# -gt 0 ]; do
  case $1 in
    --limit) limit=$2 && shift 2 ;;
    --times) times=$2 && shift 2 ;;
    --dir) dir=$2 && shift 2 ;;
    -*) wrong_use "flat_memory: unknown option '$1' (allowed: --limit, --times, --dir)" ;;
    *) break ;;
  esac
done
[ $# -ge 1 ] || wrong_use "flat_memory: no TEXT"
nuri=${NURI:-build/nuri}
[ -x "$nuri" ] || die "flat_memory: there is no $nuri yet; ./run build makes it"
work=$(mktemp -d "${dir:-${TMPDIR:-/tmp}}/nuri_flat.XXXXXX")
group=
cleanup() {
  rm -rf "$work"
  [ -z "$group" ] || rmdir "$group" 2>/dev/null || true
}
trap cleanup EXIT

# The corpus: letters of the copy's number make new words and lines.
wanted=$((limit * times * 1048576)) copy=0
read_texts() {
  local text
  for text in "$@"; do
    case $text in *.zst) zstd -dcq -- "$text" ;; *) cat -- "$text" ;; esac
  done
}
while size=$(stat -c %s "$work/corpus.jsonl" 2>/dev/null || echo 0) && [ "$size" -lt "$wanted" ]; do
  read_texts "$@" | LC_ALL=C awk -v copy="$copy" -v left=$((wanted - size)) '
    BEGIN { for (n = copy; n > 0; n = int(n / 26)) tag = tag sprintf("%c", 97 + n % 26) }
    copy > 0 {
      gsub(/e /, "e" tag " "); gsub(/\xEB\x8B\xA4\. /, "&" tag " "); gsub(/\xEB\x8A\x94 /, "\xEB\x8A\x94" tag " ")
      gsub(/\xEC\x9D\x98 /, "\xEC\x9D\x98" tag " "); gsub(/s /, "s" tag " ")
      gsub(/\\n/, "\\n" tag NR " "); sub(/"text": *"/, "&" tag NR " ")
    }
    { print; left -= length($0) + 1; if (left <= 0) exit }' >>"$work/corpus.jsonl" || [ $? -eq 141 ]
  copy=$((copy + 1))
  [ $((copy % 16)) -ne 0 ] || read_texts "$1" >>"$work/corpus.jsonl" # documents that came before
done
megabytes=$(($(stat -c %s "$work/corpus.jsonl") / 1000000))
say "corpus: $megabytes MB in $copy copies, limit $limit MiB"

# A child of this process's own memory group, version 1 or 2.
own=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
if [ -n "$own" ]; then
  parent=/sys/fs/cgroup/memory$own file=memory.limit_in_bytes
else
  parent=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup) file=memory.max
fi
group=$parent/nuri_flat_$$
if mkdir "$group" 2>/dev/null && echo $((limit << 20)) 2>/dev/null >"$group/$file"; then
  say "control group of $limit MiB, the file cache included"
else
  rmdir "$group" 2>/dev/null || true
  group=
  say "no control group can be made here; RLIMIT_DATA alone"
fi

bad=0
# measured WHAT COMMAND...: runs it under the limits and looks at its memory twice a second.
measured() {
  local what=$1 begin pid code=0
  shift
  begin=$(date +%s.%N)
  (
    [ -z "$group" ] || echo $BASHPID >"$group/cgroup.procs"
    ulimit -d $((limit << 10))
    exec "$@"
  ) >"$work/out" 2>"$work/err" &
  pid=$!
  : >"$work/samples"
  while sleep 0.5 && kill -0 $pid 2>/dev/null; do
    awk '/^RssAnon/ { print $2 / 1024 }' "/proc/$pid/status" >>"$work/samples" 2>/dev/null || true
  done
  wait $pid || code=$?
  [ $code -eq 0 ] || { say "$what: exit code $code: $(tail -n 3 "$work/err")"; bad=1; return; }
  awk -v what="$what" -v megabytes="$megabytes" -v begin="$begin" -v end="$(date +%s.%N)" '
    { y[NR] = $1; if ($1 > most) most = $1 }
    END {
      for (i = int(NR / 4) + 1; i <= NR * 3 / 4; ++i) { ++n; x = i / NR * megabytes / 1000; sx += x; sy += y[i]; sxx += x * x; sxy += x * y[i] }
      slope = n > 2 ? (n * sxy - sx * sy) / (n * sxx - sx * sx) : 0
      printf "nuri: %s: %.1f s, %.1f MB/s, anonymous memory at most %.0f MB, slope %.2f MB for each GB\n", what, end - begin, megabytes / (end - begin), most, slope
      exit slope > 10
    }' "$work/samples" || bad=1
}
# At 512 MiB these are the defaults.
measured "tokenizer train" "$nuri" tokenizer train "$work/corpus.jsonl" --memory $((limit * 5 / 8))M --out "$work/tokenizer"
tail -n 2 "$work/out" "$work/err" | grep -E 'MB of text|note' || true
measured "data build" "$nuri" data build "$work/corpus.jsonl" --tokenizer "$work/tokenizer" \
  --memory $((limit * 3 / 16))M --out "$work/shards"
tail -n 2 "$work/out" || true
exit $bad
