#!/usr/bin/env bash
# What may stand in the repository: no file over 1 MB, no path of one machine, no host of a package registry, no
# unfinished marks, no nuri file over 500 lines; tests of runs can be executed; every line of packages.txt and
# may_skip.txt is well formed.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
wrong=0
complain() {
  printf '%s\n' "$*"
  wrong=1
}
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  mapfile -d '' -t files < <(git ls-files -z --cached --others --exclude-standard)
else # an unpacked archive
  mapfile -d '' -t files < <(find . -path './build*' -prune -o -type f -print0 | sed -z 's|^\./||')
fi
kept=()
for file in "${files[@]}"; do [ ! -f "$file" ] || kept+=("$file"); done
[ ${#kept[@]} -gt 0 ] || complain "no files found"

while read -r size file; do
  complain "$file has $size bytes; files over 1000000 bytes do not belong in a source repository"
done < <(stat -c '%s %n' -- "${kept[@]}" | awk '$1 > 1000000')

# The patterns are written so that this script does not match itself.
paths='(^|[^[:alnum:]_.])/(wor[k]|roo[t]|hom[e])/[[:alnum:]]|/tm[p]/bash|snapshot\.debia[n]|deb\.debia[n]\.org|pypi\.or[g]|pythonhoste[d]|npmj[s]\.'
while IFS= read -r hit; do complain "a path of one machine or a registry host: $hit"; done < <(grep -nIE "$paths" -- "${kept[@]}" | cut -c1-160 || true)
marks='TOD[O]|FIXM[E]|(^|[^[:alnum:]_])XX[X]([^[:alnum:]_]|$)|not implemente[d]|unimplemente[d]'
while IFS= read -r hit; do complain "an unfinished mark: $hit"; done < <(printf '%s\0' "${kept[@]}" | grep -zE '\.(cpp|h|sh|cmake|toml)$|^run$' | xargs -0 grep -nIE "$marks" -- | cut -c1-160 || true)

while read -r lines file; do
  [ "$file" = total ] || complain "$file has $lines lines; cut it at a seam (at most 500)"
done < <(printf '%s\0' "${kept[@]}" | grep -zE '\.(cpp|h|sh)$' | xargs -0 wc -l | awk '$1 > 500')

while IFS= read -r file; do
  [ -x "$file" ] || complain "$file cannot be executed, so ctest cannot run it: chmod +x $file"
done < <(printf '%s\n' "${kept[@]}" | grep -E '^tests/runs/.*_test\.sh$')

while IFS= read -r line; do
  complain "packages.txt: expected 'build|test|clang|lint|fresh|peers  package  reason', found: $line"
done < <(grep -vE '^#|^(build|test|clang|lint|fresh|peers) +[a-z0-9.+-]+ +[^ ].*$' packages.txt || true)
while IFS= read -r line; do
  complain "tests/may_skip.txt: expected 'name regex | reason regex', found: $line"
done < <(grep -vE '^#|^$|^[^|]+ \| [^|]+.*$' tests/may_skip.txt || true)

[ "$wrong" -ne 0 ] || echo "${#kept[@]} files looked at"
exit "$wrong"
