#!/usr/bin/env bash
# update_numbers.sh [--measure [FILE...] | --check]: the tables of numbers in the docs, made from docs/numbers.
#   docs/numbers/tables.txt       the rows: TABLE | LABEL ~ KOREAN LABEL | FILE | JQ EXPRESSION | GOAL on AVX-512 |
#                                 GOAL on AVX2; the pipe of jq is written \p there
#   docs/numbers/benches.txt      what --measure runs: FILE, then the arguments of `nuri bench`
#   docs/numbers/LEVEL/FILE.json  what `nuri bench ... --json` printed on a machine of that level (CPU and commit inside)
# A table stands in a page between `<!-- numbers: TABLE -->` and `<!-- end -->`. --measure runs the benchmarks first (of
# FILEs, if any) and replaces the files of this machine's level; the other levels keep their last ones. --check changes
# nothing and fails where a page would change.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
numbers=docs/numbers
levels=(avx512_bf16 avx512 avx2)
heading() { case $1 in avx512_bf16) echo 'AVX-512 BF16' ;; avx512) echo 'AVX-512' ;; avx2) echo AVX2 ;; esac; }
mode=${1:-}
case $mode in '' | --measure | --check) ;; *) wrong_use "update_numbers: unknown option '$mode' (allowed: --measure, --check)" ;; esac

[ $# -le 1 ] || [ "$mode" = --measure ] || wrong_use "update_numbers: $mode takes no file"
if [ "$mode" = --measure ]; then
  shift
  for file in "$@"; do
    awk -v file="$file" '!/^#/ && $1 == file { found = 1 } END { exit !found }' "$numbers/benches.txt" ||
      wrong_use "update_numbers: no line of $numbers/benches.txt is named '$file'"
  done
  ninja -C build --quiet nuri
  level=$(build/nuri info --json | jq -r '.level | split(" ")[0]')
  mkdir -p "$numbers/$level"
  while read -r file arguments; do
    [ $# -eq 0 ] || [[ " $* " == *" $file "* ]] || continue
    say "bench $arguments"
    # shellcheck disable=SC2086  # the arguments of a line are several words
    build/nuri bench $arguments --json | jq -S . >"$numbers/$level/$file.json.new"
    mv "$numbers/$level/$file.json.new" "$numbers/$level/$file.json"
  done < <(grep -v '^#' "$numbers/benches.txt")
fi

# value LEVEL FILE EXPRESSION: the number, or "-" where that level was not measured
value() {
  local json=$numbers/$1/$2.json
  if [ -f "$json" ]; then jq -r "(try ($3) catch null) // \"-\"" "$json"; else echo "-"; fi
}
# machine LEVEL WORDS TABLE: CPUs and commits of a level's files behind a table, for its heading; WORDS where none was measured
machine() {
  local file json=()
  while read -r file; do
    [ ! -f "$numbers/$1/$file.json" ] || json+=("$numbers/$1/$file.json")
  done < <(awk -F'|' -v name="$3" '{ gsub(/ /, "", $1); gsub(/ /, "", $3) } $1 == name { print $3 }' "$numbers/tables.txt" | LC_ALL=C sort -u)
  [ ${#json[@]} -gt 0 ] || { echo "$2"; return; }
  jq -rs '[.. | objects | select(has("cpu") and has("commit"))] | [map(.cpu) | unique[]] + [map(.commit) | unique[]] | join(", ")' \
    "${json[@]}"
}
# column INDEX WORDS TABLE: a level's heading
column() { echo "$(heading "${levels[$1]}") ($(machine "${levels[$1]}" "$2" "$3"))"; }
trim() { sed 's/^ *//; s/ *$//' <<<"$1"; }
# table NAME PAGE
table() {
  local name label file expression goal512 goal2 found='' what=what goal=goal none='not measured yet'
  case $2 in *.ko.md) what=항목 goal=목표 none='아직 재지 않음' ;; esac
  # Each goal stands before the levels that it is for.
  printf '| %s | %s | %s | %s | %s | %s |\n|---|---|---|---|---|---|\n' \
    "$what" "$goal" "$(column 0 "$none" "$1")" "$(column 1 "$none" "$1")" "$goal" "$(column 2 "$none" "$1")"
  while IFS='|' read -r name label file expression goal512 goal2; do
    [ "$(trim "$name")" = "$1" ] || continue
    found=1
    file=$(trim "$file")
    case $2 in *.ko.md) label=${label#*~} ;; *) label=${label%~*} ;; esac
    expression=${expression//\\p/|}
    printf '| %s | %s | %s | %s | %s | %s |\n' "$(trim "$label")" "$(trim "$goal512")" "$(value "${levels[0]}" "$file" "$expression")" \
      "$(value "${levels[1]}" "$file" "$expression")" "$(trim "$goal2")" "$(value "${levels[2]}" "$file" "$expression")"
  done < <(grep -v '^#' "$numbers/tables.txt")
  [ -n "$found" ] || die "no line of $numbers/tables.txt is named '$1'"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
stale=0
for page in README.md README.ko.md ARCHITECTURE.md docs/*.md; do
  [ -f "$page" ] || continue
  for name in $(sed -n 's/^<!-- numbers: \([a-z0-9_]*\) -->$/\1/p' "$page"); do
    table "$name" "$page" >"$scratch/table"
    awk -v name="$name" -v file="$scratch/table" '
      $0 == "<!-- numbers: " name " -->" { print; while ((getline line < file) > 0) print line; inside = 1; next }
      inside && $0 == "<!-- end -->" { inside = 0 }
      !inside' "$page" >"$scratch/page"
    if cmp -s "$page" "$scratch/page"; then
      continue
    elif [ "$mode" = --check ]; then
      diff "$page" "$scratch/page" || true
      stale=1
    else
      cat "$scratch/page" >"$page"
      say "updated $page"
    fi
  done
done
exit "$stale"
