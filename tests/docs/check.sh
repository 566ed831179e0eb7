#!/usr/bin/env bash
# check.sh PROGRAM: the commands of the docs run. In README.md, README.ko.md, ARCHITECTURE.md, CONTRIBUTING.md and docs/,
# a ```sh block after a line `<!-- test -->` is run with `set -e` in a scratch directory that all blocks of the page
# share; `nuri` and `build/nuri` are PROGRAM there. Also: local links lead to something, the tables of numbers are those
# of docs/numbers, and both READMEs name the same commands.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
root=$PWD
program=$(readlink -f "$1")
export NURI_LEDGER=none
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
wrong=0
complain() {
  printf '%s\n' "$*"
  wrong=1
}
blocks=0
pages=(README.md README.ko.md ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md)
while IFS= read -r page; do pages+=("$page"); done < <(find docs -name '*.md' | LC_ALL=C sort)

for page in "${pages[@]}"; do
  [ -f "$page" ] || { complain "$page is missing"; continue; }
  dir=$scratch/${page//\//_}
  mkdir -p "$dir/bin" "$dir/build"
  ln -s "$program" "$dir/bin/nuri"
  ln -s "$program" "$dir/build/nuri"
  ln -s "$root/recipes" "$dir/recipes"
  # The marked blocks, each as block-N.sh
  awk -v dir="$dir" '
    /^<!-- test -->$/ { armed = 1; next }
    armed && /^```sh$/ { inside = 1; armed = 0; file = dir "/block-" ++n ".sh"; print "set -euo pipefail" > file; next }
    inside && /^```$/ { inside = 0; close(file); next }
    inside { print > file; next }
    armed && NF { print "line " NR ": a test mark without a ```sh block behind it"; armed = 0 }
    END { print n + 0 > (dir "/count") }' "$page" >"$dir/faults"
  while IFS= read -r fault; do complain "$page: $fault"; done <"$dir/faults"
  for ((i = 1; i <= $(cat "$dir/count"); i++)); do
    blocks=$((blocks + 1))
    (cd "$dir" && PATH="$dir/bin:$PATH" bash "block-$i.sh") >"$dir/out" 2>&1 ||
      complain "$page: block $i fails:" "$(cat "$dir/block-$i.sh")" "--- it printed:" "$(tail -n 20 "$dir/out")"
  done
  while IFS= read -r link; do
    [ -e "$(dirname "$page")/$link" ] || complain "$page: the link to $link leads nowhere"
  done < <(grep -oE '\]\([^)#: ]+' "$page" | sed 's/^](//' | LC_ALL=C sort -u)
done

commands_of() { grep -oE '^(\./run|build/nuri|nuri) [a-z]+( --[a-z]+)?' "$1" | LC_ALL=C sort -u || true; }
diff <(commands_of README.md) <(commands_of README.ko.md) || complain "README.md and README.ko.md name different commands"

tools/update_numbers.sh --check || complain "tables of numbers differ from docs/numbers: run tools/update_numbers.sh"
[ "$wrong" -ne 0 ] || echo "${#pages[@]} pages, $blocks blocks of commands run"
exit "$wrong"
